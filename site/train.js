// The training behind the playground: three models, their gradients by hand, and the loop of lesson 5.
// All of it stands in one function that knows nothing of a page, so that its text can be handed to a worker.
// An image is a row of 784 numbers in 0..1. Most pixels are 0 and add nothing, so every layer skips them.

function training(tell) { // `tell` is handed a report now and then
  const TRAIN = 800, ALL = 1000 // the images after the first 800 are held out
  const SIDE = 28, PATCH = 5, STRIDE = 2, FILTERS = 8, MAP = 12 // places for a patch along a side

  // Numbers in 0..1 that look random, the same ones for the same seed
  function randomNumbers(seed) {
    let state = Math.imul(seed + 1, 2654435761)
    return () => {
      state = Math.imul(state, 1664525) + 1013904223 | 0
      return (state >>> 0) / 2 ** 32
    }
  }

  // The layers. Each gets its numbers as `p` and a place for their gradients as `g`; the numbers start at random,
  // up to `bound` on either side of 0. `forward` makes outputs of inputs. `backward` is told how the loss changes
  // with each output, adds to `g` how it changes with each number, and returns how it does with each input.

  function linear(inputs, units) { // weights (inputs, units), row by row, then a bias for each unit
    const out = new Float32Array(units), dIn = new Float32Array(inputs), biases = inputs * units
    let x
    return {
      size: biases + units, bound: inputs ** -.5,
      forward(input) {
        const {p} = this
        x = input
        out.set(p.subarray(biases))
        for (let i = 0; i < inputs; i++) if (x[i]) {
          const v = x[i], at = i * units
          for (let j = 0; j < units; j++) out[j] += v * p[at + j]
        }
        return out
      },
      backward(dOut) {
        const {p, g} = this
        for (let i = 0; i < inputs; i++) if (x[i]) { // nobody asks for the other dIn
          const v = x[i], at = i * units
          let sum = 0
          for (let j = 0; j < units; j++) {
            sum += dOut[j] * p[at + j]
            g[at + j] += dOut[j] * v
          }
          dIn[i] = sum
        }
        for (let j = 0; j < units; j++) g[biases + j] += dOut[j]
        return dIn
      },
    }
  }

  function relu(units) {
    const out = new Float32Array(units), dIn = new Float32Array(units)
    return {
      size: 0,
      forward(x) {
        for (let i = 0; i < units; i++) out[i] = Math.max(0, x[i])
        return out
      },
      backward(dOut) {
        for (let i = 0; i < units; i++) dIn[i] = out[i] > 0 ? dOut[i] : 0
        return dIn
      },
    }
  }

  // Filters of 5 x 5 that move over the image in steps of 2, to 12 x 12 places with an output for each filter
  function convolution() {
    const out = new Float32Array(MAP * MAP * FILTERS), biases = PATCH * PATCH * FILTERS
    let x
    function eachPixel(f) { // under a patch: its value, and where its weights and the patch's outputs begin
      for (let y = 0; y < MAP; y++) for (let z = 0; z < MAP; z++) for (let k = 0; k < PATCH * PATCH; k++) {
        const value = x[(STRIDE * y + Math.floor(k / PATCH)) * SIDE + STRIDE * z + k % PATCH]
        if (value) f(value, k * FILTERS, (y * MAP + z) * FILTERS)
      }
    }
    return {
      size: biases + FILTERS, bound: 1 / PATCH,
      forward(input) {
        const {p} = this
        x = input
        for (let at = 0; at < out.length; at += FILTERS) out.set(p.subarray(biases), at)
        eachPixel((v, w, at) => { for (let j = 0; j < FILTERS; j++) out[at + j] += v * p[w + j] })
        return out
      },
      backward(dOut) {
        const {g} = this
        for (let i = 0; i < dOut.length; i++) g[biases + i % FILTERS] += dOut[i]
        eachPixel((v, w, at) => { for (let j = 0; j < FILTERS; j++) g[w + j] += v * dOut[at + j] })
      },
    }
  }

  const MODELS = {
    linear: () => [linear(784, 1)],
    net: () => [linear(784, 30), relu(30), linear(30, 1)],
    conv: () => [convolution(), relu(MAP * MAP * FILTERS), linear(MAP * MAP * FILTERS, 1)],
  }

  // A model before it learns: random numbers, spread as PyTorch spreads them
  function build(name, seed) {
    const layers = MODELS[name](), random = randomNumbers(seed)
    const size = layers.reduce((sum, layer) => sum + layer.size, 0)
    const params = new Float32Array(size), grads = new Float32Array(size)
    let end = 0
    for (const layer of layers) {
      const start = end
      end += layer.size
      layer.p = params.subarray(start, end)
      layer.g = grads.subarray(start, end)
      for (let i = 0; i < layer.size; i++) layer.p[i] = (2 * random() - 1) * layer.bound
    }
    return {
      params, grads, random,
      logit: image => layers.reduce((x, layer) => layer.forward(x), image)[0],
      backward: dLogit => layers.reduceRight((d, layer) => layer.backward(d), [dLogit]),
    }
  }

  const mean = values => values.reduce((sum, v) => sum + v, 0) / values.length
  const sigmoid = x => 1 / (1 + Math.exp(-x))

  // `mnist_loss` of the images whose numbers are in `batch`; the model's `grads` become its gradients
  function calcGrad(model, images, isThree, batch) {
    let loss = 0
    model.grads.fill(0)
    for (const i of batch) {
      const p = sigmoid(model.logit(images[i]))
      loss += isThree[i] ? 1 - p : p
      model.backward((isThree[i] ? -1 : 1) * p * (1 - p) / batch.length)
    }
    return loss / batch.length
  }

  // A training: `step` learns from one batch, `measure` looks at the images that are held out
  function trainer(name, seed, images, isThree) {
    const model = build(name, seed), {params, grads, random} = model
    let order, place = 0, done = 0
    function newOrder(shuffled) {
      order = Array.from({length: TRAIN}, (_, i) => i)
      if (shuffled) for (let i = TRAIN - 1; i > 0; i--) {
        const k = Math.floor(random() * (i + 1));
        [order[i], order[k]] = [order[k], order[i]]
      }
    }
    return {
      model,
      get epochs() { return done + place / TRAIN },
      step({rate, batch, shuffled}) {
        if (place === 0) newOrder(shuffled)
        const chosen = order.slice(place, place + batch), loss = calcGrad(model, images, isThree, chosen)
        for (let i = 0; i < params.length; i++) params[i] -= rate * grads[i]
        place += chosen.length
        if (place === TRAIN) [place, done] = [0, done + 1]
        return loss
      },
      measure() {
        const held = Array.from({length: ALL - TRAIN}, (_, i) => TRAIN + i)
        const logits = new Map(held.map(i => [i, model.logit(images[i])]))
        const size = i => Math.abs(logits.get(i)), isWrong = i => logits.get(i) > 0 !== isThree[i]
        const losses = held.map(i => sigmoid(isThree[i] ? -logits.get(i) : logits.get(i)))
        const wrong = held.filter(isWrong).sort((a, b) => size(b) - size(a)) // the worst first
        return {
          loss: mean(losses), wrong, correct: held.length - wrong.length,
          saturated: wrong.filter(i => size(i) > 10).length, // as lesson 7 has it
        }
      },
    }
  }

  // What a page asks for
  const PARTS = 4 // of an epoch, with a report after each
  const PAUSE = 40 // the least ms for a part: faster, and nobody could watch
  let images, isThree, settings, run, trainLoss, losses, until, timer
  const row = bytes => Float32Array.from(bytes, v => v / 255)
  const part = () => Math.floor(run.epochs * PARTS + 1e-9)
  function report() {
    if (losses.length) trainLoss = mean(losses)
    losses = []
    const {epochs, model} = run
    tell({epochs, trainLoss, ...run.measure(), params: model.params.slice(), running: until > 0})
  }
  function work() {
    const began = Date.now(), before = part()
    while (part() === before) losses.push(run.step(settings))
    if (run.epochs >= until) until = 0
    report()
    if (until) timer = setTimeout(work, Math.max(0, PAUSE - (Date.now() - began)))
  }
  function pause() { clearTimeout(timer); until = 0 }
  const ask = {
    images(bytes, threes) { // of all images; for each of them, whether it is a 3
      images = Array.from({length: ALL}, (_, i) => row(bytes.subarray(784 * i, 784 * i + 784)))
      isThree = threes
    },
    change(chosen) { settings = chosen },
    begin() {
      pause()
      run = trainer(settings.model, settings.seed, images, isThree);
      [losses, trainLoss] = [[], NaN]
      report()
    },
    train(epochs) { pause(); until = Math.floor(run.epochs) + epochs; work() },
    batch() { pause(); losses.push(run.step(settings)); report() },
    stop() { pause(); report() },
  }
  return {ask, build, calcGrad, trainer, sigmoid}
}
