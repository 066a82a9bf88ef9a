// The page that trains: what one chooses, what one sees of a training, and a board that asks the trained model.
// The training stands in train.js, the digits in digits.js; plots and board are those of widgets.js.

const MODELS = { // by name: what the list says, what its picture shows, and how wide and high that is
  linear: {text: 'linear: 785 numbers', size: [28, 28],
           shows: 'Its weights, one for each pixel: blue speaks for 3, orange for 7'},
  net: {text: '784–30–1: 23,581 numbers', size: [10 * 29 - 1, 3 * 29 - 1],
        shows: 'The weights of its 30 hidden units, each for every pixel: blue speaks for 3, orange for 7'},
  conv: {text: 'convolution: 1,361 numbers', size: [8 * 13 - 1, 10 + 1 + 12],
         shows: 'Its eight filters, and below each where in the picture it speaks for 3 (blue) or 7 (orange)'},
}
const themselves = (...values) => Object.fromEntries(values.map(v => [v, v]))
const CHOICES = { // by name in the address: the label, the values with what the list says, and the first choice
  model: ['Model', Object.fromEntries(Object.entries(MODELS).map(([name, m]) => [name, m.text])), 'linear'],
  rate: ['Learning rate', themselves('0.01', '0.03', '0.1', '0.3', '1', '3', '10', '30'), '0.1'],
  batch: ['Batch size', themselves('1', '8', '64', '256', '800'), '64'],
  order: ['Order', {shuffled: 'shuffled', file: 'first 3s, then 7s'}, 'shuffled'],
  seed: ['Start (seed)', null, '1'],
}
const EPOCHS = 50 // for which a press of the button trains
const DIGIT = ['3', '7'], IS_THREE = range(1000).map(i => i < 400 || i >= 800 && i < 900)
const SHEET = 40, WRONG = 10, ROWS = 2 // digits in a row of the sheet, in one of the wrong ones, and how many such

const CHANGED = 'Your browser changes the pictures that a page reads, to hide who you are. ' +
                'Allow this page to read them, or try another browser.'

// The digits, as a picture with dark ink and as 784 bytes for each
async function loadDigits() {
  const image = new Image()
  image.src = DIGITS.png
  await image.decode()
  const {width, height} = image, sheet = make('canvas', {width, height}), bytes = new Uint8Array(width * height)
  const g = sheet.getContext('2d', {willReadFrequently: true})
  g.drawImage(image, 0, 0)
  const inverse = g.getImageData(0, 0, width, height)
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    const at = 4 * (y * width + x), digit = Math.floor(y / SIDE) * SHEET + Math.floor(x / SIDE)
    bytes[(digit * SIDE + y % SIDE) * SIDE + x % SIDE] = inverse.data[at]
    inverse.data.fill(255 - inverse.data[at], at, at + 3)
  }
  if (bytes.reduce((sum, v) => sum + v, 0) !== DIGITS.ink) throw Error(CHANGED)
  g.putImageData(inverse, 0, 0)
  return {sheet, bytes}
}

// A function that asks a training in a worker; where there can be none, one in this page
function startTraining(tell) {
  const asked = []
  let send
  function inPage() {
    const {ask} = training(tell)
    send = ([name, ...rest]) => ask[name](...rest)
    asked.forEach(send)
  }
  try {
    const text = `const {ask} = (${training})(report => postMessage(report))
                  onmessage = ({data: [name, ...rest]}) => ask[name](...rest)`
    const worker = new Worker(URL.createObjectURL(new Blob([text], {type: 'text/javascript'})))
    worker.onmessage = e => { worker.onerror = null; tell(e.data) }
    worker.onerror = e => { e.preventDefault(); inPage() }
    send = question => worker.postMessage(question)
  } catch { inPage() }
  return (...question) => { asked.push(question); send(question) }
}

// What one chooses: a form, with the address as its memory; `changed` is told the name of what was changed
function settings(changed) {
  const fields = {}
  for (const [name, [text, options]] of Object.entries(CHOICES)) {
    const all = Object.entries(options || {}).map(([value, says]) => make('option', {value}, says))
    fields[name] = options ? make('select', {}, ...all) : make('input', {type: 'number', min: 0, max: 999})
    fields[name].addEventListener('change', () => {
      if (!fits(name, fields[name].value)) fields[name].value = CHOICES[name][2]
      write()
      changed(name)
    })
  }
  const labels = Object.entries(fields).map(([name, field]) => make('label', {}, CHOICES[name][0], field))
  const form = make('form', {class: 'controls choices'}, ...labels)
  form.addEventListener('submit', e => e.preventDefault())
  const fits = (name, value) => CHOICES[name][1] ? value in CHOICES[name][1] : /^\d{1,3}$/.test(value)
  function write() {
    const query = new URLSearchParams(Object.entries(fields).map(([name, field]) => [name, field.value]))
    try { history.replaceState(null, '', `?${query}`) } catch { /* the address of a file stays as it is */ }
  }
  return {
    form, write,
    read(query) { // returns what cannot be had
      const asked = new URLSearchParams(query)
      const refused = [...asked].filter(([name, value]) => name in fields && !fits(name, value))
      for (const name of refused.map(([name]) => name)) asked.delete(name)
      for (const [name, field] of Object.entries(fields)) field.value = asked.get(name) || CHOICES[name][2]
      return refused.map(pair => pair.join('='))
    },
    get now() {
      const {model, rate, batch, order, seed} = fields
      return {model: model.value, rate: +rate.value, batch: +batch.value,
              shuffled: order.value === 'shuffled', seed: +seed.value}
    },
  }
}

// The weights of a model, as tiles in a canvas
function paintWeights(canvas, name, params) {
  const [width, height] = MODELS[name].size, values = Array(width * height).fill(0)
  function tile(left, top, side, weight, zoom = 1) {
    const own = range(side * side).map(weight), largest = Math.max(...own.map(Math.abs)) || 1
    for (const y of range(side * zoom)) for (const x of range(side * zoom)) {
      const i = Math.floor(y / zoom) * side + Math.floor(x / zoom)
      values[(top + y) * width + left + x] = 1.5 * own[i] / largest
    }
  }
  if (name === 'linear') tile(0, 0, SIDE, i => params[i])
  else if (name === 'net') for (const unit of range(30)) {
    const speaksFor = Math.sign(params[784 * 30 + 30 + unit])
    tile(unit % 10 * 29, Math.floor(unit / 10) * 29, SIDE, i => speaksFor * params[i * 30 + unit])
  } else for (const filter of range(8)) {
    tile(13 * filter + 1, 0, 5, i => params[i * 8 + filter], 2)
    tile(13 * filter, 11, 12, i => params[25 * 8 + 8 + i * 8 + filter])
  }
  Object.assign(canvas, {width, height})
  paint(canvas, values, blueOrange)
}

// The two curves of a run, the run before it in grey
function curves(past, before) {
  const {epochs, correct, loss} = past.at(-1), grey = before.length ? '; grey: run before' : ''
  const furthest = Math.max(epochs, before.length ? before.at(-1).epochs : 0)
  const xlim = [0, [1, 2, 10, 20, 50].find(n => n >= furthest) || 100 * Math.ceil(furthest / 100)]
  const highest = Math.max(...past.map(r => Math.max(r.loss, r.trainLoss || 0)))
  const right = plot({xlim, ylim: [0, 200], xlabel: 'epoch', title: `Held-out digits right, of 200${grey}`})
  const ylim = [0, highest > .6 ? 1 : .6], title = 'Loss: in training blue, held out dashed'
  const both = plot({xlim, ylim, xlabel: 'epoch', title})
  right.line(before.map(r => [r.epochs, r.correct]), 'before')
  right.line(past.map(r => [r.epochs, r.correct]))
  right.dots([[epochs, correct]])
  both.line(before.map(r => [r.epochs, r.loss]), 'before')
  if (epochs) both.line(past.slice(1).map(r => [r.epochs, r.trainLoss]))
  both.line(past.map(r => [r.epochs, r.loss]), 'walk')
  both.dots([[epochs, loss]])
  return [right.node, both.node]
}

// In words, what a report says
function inWords({epochs, correct, loss, trainLoss, wrong, saturated}) {
  if (!epochs) return `Not trained: ${correct} of 200 held-out digits right, by chance.`
  const stuck = saturated <= 50 ? '' :
    ` Of the ${wrong.length} wrong ones ${saturated} are saturated: hardly any gradient comes back.`
  return `Epoch ${round(epochs, Number.isInteger(epochs) ? 0 : 1)}: ${correct} of 200 held-out digits right. ` +
         `Loss ${round(trainLoss, 3)} in training, ${round(loss, 3)} held out.${stuck}`
}

widget('playground-widget', 'Choose, then train', async el => {
  const choices = settings(name => name === 'model' || name === 'seed' ? begin() : ask('change', choices.now))
  const go = button('Train', () => running ? ask('stop') : ask('train', EPOCHS))
  go.className = 'go'
  const buttons = [go, button('One batch', () => ask('batch')), button('Start again', () => begin())]
  const said = make('p', {class: 'said'}, 'Loading the digits …')
  const aloud = make('p', {class: 'visually-hidden', role: 'status'})
  const note = make('p', {class: 'note', role: 'status'})
  const plots = make('div', {class: 'plots'})
  const weights = picture('The weights as a picture', '')
  const wrong = DIGIT.map(d => picture(`${d}s that the model gets wrong`, '', WRONG * SIDE, ROWS * SIDE))
  for (const {figure, caption} of wrong) figure.prepend(caption)
  const below = make('div', {class: 'draw-widget'})
  el.append(choices.form, make('div', {class: 'controls'}, ...buttons), note, said, aloud, plots,
            make('div', {class: 'pictures'}, weights.figure, make('div', {}, ...wrong.map(w => w.figure))),
            make('p', {class: 'title'}, 'Ask your model: draw a 3 or a 7'), below)

  const still = matchMedia('(prefers-reduced-motion: reduce)').matches
  const {build, sigmoid} = training()
  let running = false, latest, past = [], before = [], name, mind, frame = 0, shown = 0, spoken = 0, sheet
  const board = drawingBoard(below, pixels => {
    if (!pixels || !past.length) return 'Nothing drawn yet.'
    return says(sigmoid(mind.logit(pixels)), DIGIT) + (past.at(-1).epochs ? '' : ' (not trained)')
  })

  function begin() {
    if (past.length > 1) before = past
    name = choices.now.model
    mind = build(name, 0)
    past = []
    ask('change', choices.now)
    ask('begin')
  }
  function set(query) {
    const refused = choices.read(query)
    note.textContent = refused.length ? `There is no ${refused.join(' and no ')} to choose here.` : ''
    choices.write()
    begin()
  }
  function hear(report) {
    if (report.params.length !== mind.params.length) return // another model was chosen meanwhile
    if (!report.epochs) past = []
    const {params, wrong, ...point} = latest = report
    past.push(point)
    if (report.running && !running) [aloud.textContent, spoken] = ['Training.', Date.now()]
    running = report.running
    go.textContent = running ? 'Stop' : report.epochs ? 'Go on' : 'Train'
    frame ||= requestAnimationFrame(show)
  }
  function show() {
    frame = 0
    if (!past.length) return // a new run has begun meanwhile, and will tell
    if (running && Date.now() - shown < (still ? 1000 : 0)) return
    shown = Date.now()
    said.textContent = inWords(latest)
    if (!running || Date.now() - spoken > 5000) [aloud.textContent, spoken] = [said.textContent, Date.now()]
    plots.replaceChildren(...curves(past, before))
    paintWeights(weights.canvas, name, latest.params)
    weights.caption.textContent = MODELS[name].shows
    weights.figure.className = name
    showWrong(latest.wrong)
    mind.params.set(latest.params)
    board.answer.ariaLive = running ? 'off' : 'polite'
    board.again()
  }
  function showWrong(ids) {
    for (const [k, {canvas, caption}] of wrong.entries()) {
      const own = ids.filter(i => IS_THREE[i] === (k === 0)), most = WRONG * ROWS, g = canvas.getContext('2d')
      canvas.hidden = !own.length
      canvas.height = SIDE * (own.length > WRONG ? ROWS : 1) // and it is empty again
      for (const [n, i] of own.slice(0, most).entries()) {
        const at = (i, inRow) => [i % inRow * SIDE, Math.floor(i / inRow) * SIDE, SIDE, SIDE]
        g.drawImage(sheet, ...at(i, SHEET), ...at(n, WRONG))
      }
      const rest = own.length > most ? `. The worst ${most}:` : own.length ? ':' : '.'
      caption.textContent = `${own.length} of 100 ${DIGIT[k]}s still taken for ${DIGIT[1 - k]}${rest}`
    }
  }

  for (const b of buttons) b.disabled = true
  let ask = () => {}
  try {
    const digits = await loadDigits()
    sheet = digits.sheet
    ask = startTraining(hear)
    ask('images', digits.bytes, IS_THREE)
    set(location.search)
    for (const b of buttons) b.disabled = false
  } catch (e) {
    said.textContent = `The digits could not be read. ${e.message}`
  }
  document.addEventListener('click', e => { // a link of this page to other settings needs no new page
    const link = e.target.closest('main a[href^="?"]')
    if (!link || e.ctrlKey || e.metaKey || e.shiftKey) return
    e.preventDefault()
    set(link.search)
    el.scrollIntoView()
    go.focus({preventScroll: true})
  })
})
