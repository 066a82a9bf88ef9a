// The things to touch, on the site and in notebooks

const SVG = 'http://www.w3.org/2000/svg'
const round = (x, n = 2) =>
  !Number.isFinite(x) ? 'beyond all bounds' : Math.abs(x) < 1e5 ? x.toFixed(n) : x.toExponential(1)
const range = n => [...Array(n).keys()]

// An element with attributes and children, of HTML or of a drawing
function make(tag, attrs = {}, ...children) {
  const drawn = ['svg', 'path', 'circle', 'text', 'clipPath', 'rect'].includes(tag)
  const el = drawn ? document.createElementNS(SVG, tag) : document.createElement(tag)
  for (const [name, value] of Object.entries(attrs)) el.setAttribute(name, value)
  el.append(...children)
  return el
}

// A labelled slider that calls `moved` and shows its value as `show` writes it
function slider(text, attrs, show, moved) {
  const input = make('input', {type: 'range', ...attrs}), value = make('span')
  const update = () => {
    value.textContent = show(+input.value)
    input.setAttribute('aria-valuetext', show(+input.value))
  }
  input.addEventListener('input', () => { update(); moved() })
  update()
  return {input, label: make('label', {}, text, input, value), get value() { return +input.value }}
}

// A small plot with axes: `line` and `dots` take lists of [x, y], of which only what lies inside is seen
function plot({xlim, ylim, xlabel, title}) {
  const [w, h, left, top, right, bottom] = [420, 276, 48, 34, 22, 42]
  const px = x => left + (x - xlim[0]) / (xlim[1] - xlim[0]) * (w - left - right)
  const py = y => h - bottom - (y - ylim[0]) / (ylim[1] - ylim[0]) * (h - top - bottom)
  const inside = ([x, y]) => x >= xlim[0] && x <= xlim[1] && y >= ylim[0] && y <= ylim[1]
  const clip = `plot-${Math.random().toString(36).slice(2)}`
  const node = make('svg', {viewBox: `0 0 ${w} ${h}`, role: 'img', 'aria-label': title})
  const text = (x, y, s, anchor = 'middle') => node.append(make('text', {x, y, 'text-anchor': anchor}, s))
  const inner = {x: left, y: top - 2, width: w - left - right, height: h - top - bottom + 4}
  node.append(make('clipPath', {id: clip}, make('rect', inner)))
  node.append(make('path', {class: 'axis', d: `M${left} ${top}V${h - bottom}H${w - right}`}))
  for (const x of [xlim[0], (xlim[0] + xlim[1]) / 2, xlim[1]]) text(px(x), h - bottom + 18, +x.toFixed(2))
  for (const y of [ylim[0], (ylim[0] + ylim[1]) / 2, ylim[1]]) text(left - 6, py(y) + 4, +y.toFixed(2), 'end')
  text((left + w) / 2, h - 6, xlabel)
  text((left + w) / 2, 15, title)
  const fixed = node.childNodes.length
  return {
    node,
    clear() { while (node.childNodes.length > fixed) node.lastChild.remove() },
    line(points, cls = 'line') {
      const near = v => Math.max(-1e5, Math.min(1e5, v)).toFixed(1)
      const finite = points.filter(p => p.every(Number.isFinite))
      if (!finite.length) return
      const d = finite.map(([x, y]) => `${near(px(x))} ${near(py(y))}`).join('L')
      node.append(make('path', {class: cls, d: `M${d}`, 'clip-path': `url(#${clip})`}))
    },
    dots(points, cls = 'dot', r = 4) {
      for (const [x, y] of points.filter(inside)) {
        node.append(make('circle', {class: cls, r, cx: px(x), cy: py(y)}))
      }
    },
  }
}

// By name, a function that fills an element; it gets one more that loads the weights of the linear model
const WIDGETS = {}
function widget(name, title, build) {
  WIDGETS[name] = (el, weights) => {
    el.replaceChildren(make('p', {class: 'title'}, title))
    el.classList.add('widget', name)
    el.setAttribute('role', 'group')
    el.setAttribute('aria-label', title)
    build(el, weights)
  }
}

// Lesson 3: steps down a parabola

widget('walk-widget', 'Choose a learning rate', el => {
  const board = plot({xlim: [-6, 6], ylim: [0, 36], xlabel: 'x', title: 'Ten steps down x²'})
  const lr = slider('Learning rate', {min: 0, max: 1.2, step: .01, value: .1}, v => round(v), draw)
  const out = make('output', {'aria-live': 'polite'})
  el.append(lr.label, out, make('div', {class: 'plots'}, board.node))

  function draw() {
    const path = [3]
    for (const _ of range(10)) path.push(path.at(-1) - lr.value * 2 * path.at(-1))
    board.clear()
    board.line(range(121).map(i => [i / 10 - 6, (i / 10 - 6) ** 2]))
    board.line(path.map(x => [x, x * x]), 'walk')
    board.dots(path.map(x => [x, x * x]))
    const how = lr.value === 0 ? 'It does not move.'
      : lr.value < .5 ? 'It slides down.'
      : lr.value === .5 ? 'It arrives in one step.'
      : lr.value < 1 ? 'It jumps from side to side, lower every time.'
      : lr.value === 1 ? 'It jumps for ever.' : 'It climbs out.'
    const outside = path.filter(x => Math.abs(x) > 6).length
    const unseen = outside ? ` ${outside} of 11 points lie outside the picture.` : ''
    out.textContent = `From x = 3, after ten steps x = ${round(path.at(-1))}. ${how}${unseen}`
  }
  draw()
})

// Lesson 3: the quadratic, fitted to the measurements of the lesson

const SPEED = [65.31, 51.73, 42.44, 31.39, 25.48, 11.52, 9.16, 11.25, 4.09, .71,
               5.52, 3.49, 9.86, 14.95, 19.03, 21.16, 35.48, 46.96, 61.2, 68.85]

widget('fit-widget', 'Fit the roller coaster', el => {
  const speed = 'Speed: measured and predicted'
  const fit = plot({xlim: [0, 19], ylim: [-20, 100], xlabel: 'time (s)', title: speed})
  const curve = plot({xlim: [0, 100], ylim: [0, 40], xlabel: 'step', title: 'Root of the loss'})
  const power = v => (10 ** v).toPrecision(2)
  const lr = slider('Learning rate', {min: -6, max: 0, step: .05, value: -.3}, power, draw)
  const steps = slider('Steps', {min: 0, max: 100, step: 1, value: 100}, v => `${v}`, draw)
  const scale = make('input', {type: 'checkbox', checked: ''})
  scale.addEventListener('input', draw)
  const out = make('output', {'aria-live': 'polite'})
  const scaled = make('label', {}, scale, 'scale time to −1..1')
  el.append(make('div', {class: 'controls'}, lr.label, steps.label, scaled), out,
            make('div', {class: 'plots'}, fit.node, curve.node))

  // Gradient descent on `mse` from zero: the losses before each step, and the parameters after the last
  function descend(t, rate, n) {
    let params = [0, 0, 0]
    const losses = []
    for (const step of range(n + 1)) {
      const errors = t.map((x, i) => params[0] * x * x + params[1] * x + params[2] - SPEED[i])
      losses.push(Math.sqrt(errors.reduce((sum, e) => sum + e * e, 0) / t.length))
      if (step === n) break
      const grads = [2, 1, 0].map(k => errors.reduce((sum, e, i) => sum + 2 * e * t[i] ** k, 0) / t.length)
      params = params.map((p, k) => p - rate * grads[k])
    }
    return {params, losses}
  }
  function draw() {
    const change = x => scale.checked ? (x - 9.5) / 9.5 : x
    const {params, losses} = descend(range(20).map(change), 10 ** lr.value, steps.value)
    const predict = x => params[0] * change(x) ** 2 + params[1] * change(x) + params[2]
    fit.clear()
    fit.dots(SPEED.map((v, t) => [t, v]), 'mark')
    fit.line(range(96).map(i => [i / 5, predict(i / 5)]))
    curve.clear()
    curve.line(losses.map((loss, i) => [i, loss]))
    curve.dots([[steps.value, losses.at(-1)]])
    const [first, last] = [losses[0], losses.at(-1)], fallen = (losses.at(-2) - last) / last
    const how = !steps.value ? ''
      : !(last <= first) ? 'It flies off: the learning rate is too large.'
      : last < 3.5 ? 'A good fit: what is left is the noise.'
      : first - last < .01 * first ? 'It hardly moves: the steps are too small.'
      : fallen < .001 ? 'It hardly falls any more, and the fit is poor.' : 'It is still falling.'
    const after = `${round(last, 1)} after ${steps.value} step${steps.value === 1 ? '' : 's'}`
    out.textContent = `Root of the loss: ${round(first, 1)} at the start, ${after}. ${how}`
  }
  draw()
})

// Lesson 4: one prediction, the loss and the accuracy

widget('loss-widget', 'Move the third prediction', el => {
  const title = 'Blue: mnist_loss. Dashed: accuracy'
  const board = plot({xlim: [0, 1], ylim: [0, 1], xlabel: 'third prediction', title})
  const third = slider('Third prediction', {min: 0, max: 1, step: .01, value: .2}, v => round(v), draw)
  const seven = make('input', {type: 'checkbox'})
  seven.addEventListener('input', draw)
  const rows = make('tbody'), out = make('output', {'aria-live': 'polite'})
  const isSeven = make('label', {}, seven, 'the third picture is a 7 (target 0)')
  const head = make('tr', {}, ...['target', 'prediction', 'distance'].map(s => make('th', {scope: 'col'}, s)))
  const table = make('table', {}, make('thead', {}, head), rows)
  el.append(make('div', {class: 'controls'}, third.label, isSeven), out,
            make('div', {class: 'plots'}, board.node, table))

  function draw() {
    const targets = [1, 0, seven.checked ? 0 : 1]
    const distances = p => [.9, .4, p].map((q, i) => targets[i] ? 1 - q : q)
    const loss = p => distances(p).reduce((a, b) => a + b) / 3
    const correct = p => [.9, .4, p].filter((q, i) => (q > .5) === (targets[i] === 1)).length
    const row = (...values) => make('tr', {}, ...values.map(s => make('td', {}, s)))
    const far = distances(third.value)
    rows.replaceChildren(...[.9, .4, third.value].map((q, i) => row(targets[i], round(q), round(far[i]))))
    board.clear()
    board.line([[0, loss(0)], [1, loss(1)]])
    board.line(range(51).map(i => [i / 100, correct(0) / 3]), 'walk')
    board.line(range(50).map(i => [(51 + i) / 100, correct(1) / 3]), 'walk')
    board.dots([[third.value, loss(third.value)]])
    out.textContent = `Loss ${round(loss(third.value), 4)}. Accuracy ${correct(third.value)} of 3.`
  }
  draw()
})

// Lesson 7: draw a digit, and the linear model reads it; `trace` and `drawingPad` stand in pad.js

const SIDE = 28, BOX = 20  // MNIST's picture, and the box in it that a digit is fitted into
const FINE = 3.5           // how much larger than that we draw
const PEN = 2.3            // width of a line, in pixels of the picture
const EXAMPLES = {
  3: [[[.2, .15], [.35, .04], [.6, 0], [.8, .08], [.88, .22], [.8, .36], [.6, .45], [.4, .47],
       [.6, .48], [.82, .56], [.92, .72], [.85, .88], [.62, .98], [.35, .98], [.12, .86]]],
  7: [[[.08, .06], [.4, .05], [.9, .04], [.74, .3], [.6, .55], [.5, .78], [.44, 1]]],
  8: [[[.75, .12], [.5, .02], [.25, .14], [.3, .34], [.5, .46], [.72, .62], [.76, .84],
       [.5, .98], [.24, .86], [.28, .64], [.52, .46], [.74, .3], [.75, .12]]],
}

// What `find_ink` and `centre_ink` of lesson 17 do to a picture, number for number, for the drawing board

const INK = (() => {
  const quantile = (values, q) => {
    const sorted = [...values].sort((a, b) => a - b), at = q * (sorted.length - 1), i = Math.floor(at)
    return sorted[i] + (at - i) * ((sorted[i + 1] ?? sorted[i]) - sorted[i])
  }
  const largest = values => values.reduce((a, b) => Math.max(a, b), -Infinity)
  const smallest = values => values.reduce((a, b) => Math.min(a, b), Infinity)
  const even = x => Math.abs(x % 1) === .5 ? 2 * Math.round(x / 2) : Math.round(x)  // rounds as Python does

  // A grid of numbers: `data` row by row, `w` to a row
  const grid = (data, w) => ({data, w, h: data.length / w})
  const like = (a, f) => grid(Float64Array.from(a.data, f), a.w)
  const onEdge = a => i => i < a.w || i >= a.data.length - a.w || i % a.w === 0 || i % a.w === a.w - 1
  const edgeOf = a => Array.from(a.data).filter((_, i) => onEdge(a)(i))

  // Each number becomes the best, by `best`, of those at most `r` places away
  function slide(a, r, best) {
    const along = (from, n, step, lines, next) => {
      const to = new Float64Array(from.length)
      for (let line = 0; line < lines; line++) for (let i = 0; i < n; i++) {
        let value = from[line * next + i * step]
        for (let k = Math.max(0, i - r); k <= Math.min(n - 1, i + r); k++) {
          value = best(value, from[line * next + k * step])
        }
        to[line * next + i * step] = value
      }
      return to
    }
    return grid(along(along(a.data, a.w, 1, a.h, a.w), a.h, a.w, a.w, 1), a.w)
  }

  // Paper, even or tilted, whichever fits the edge better
  function paper(a) {
    const edge = edgeOf(a), middle = quantile(edge, .5)
    const sums = {g: 0, y: 0, x: 0, yy: 0, xx: 0, n: 0}
    const at = i => [Math.floor(i / a.w) - (a.h - 1) / 2, i % a.w - (a.w - 1) / 2]
    a.data.forEach((g, i) => {
      if (!onEdge(a)(i)) return
      const [y, x] = at(i)
      sums.g += g; sums.y += y * g; sums.x += x * g; sums.yy += y * y; sums.xx += x * x; sums.n++
    })
    const [dy, dx] = [sums.y / (sums.yy || 1), sums.x / (sums.xx || 1)]
    const sheets = [like(a, () => middle), like(a, (_, i) => sums.g / sums.n + dy * at(i)[0] + dx * at(i)[1])]
    const off = sheets.map(s => quantile(edgeOf(like(a, (g, i) => Math.abs(g - s.data[i]))), .5))
    return sheets[off[1] < off[0] ? 1 : 0]
  }

  // How a picture with a shadow or an edge in it differs from the paper near each place
  function localContrast(a) {
    const r = (Math.floor(.3 * Math.max(a.h, a.w)) | 1) >> 1, [low, high] = [smallest(a.data), largest(a.data)]
    const count = test => a.data.reduce((n, g) => n + test(g), 0)
    const dark = count(g => g > high - (high - low) / 4) >= count(g => g < low + (high - low) / 4)
    const light = like(a, g => dark ? g : 1 - g), closed = slide(slide(light, r, Math.max), r, Math.min)
    return like(light, (g, i) => (g / Math.max(closed.data[i], .05) - 1) * (dark ? 1 : -1))
  }

  // Grey values 0..1 to ink 0..1; null without ink
  function findInk(a) {
    const sheet = paper(a)
    let diff = like(a, (g, i) => g - sheet.data[i])
    const most = largest(diff.data.map(Math.abs)), edge = edgeOf(diff)
    if (edge.filter(d => Math.abs(d) > .25 * most).length / edge.length > .08) diff = localContrast(a)
    const grain = quantile(edgeOf(diff).map(Math.abs), .5)
    const sign = largest(diff.data) > -smallest(diff.data) ? 1 : -1
    const ink = like(diff, d => sign * d - 3 * grain), full = largest(ink.data)
    return full >= .1 ? like(ink, v => Math.max(v, 0) / full) : null
  }

  // Connected places above `level`: the number of the part of each place, 0 for none, and what is known of each part
  function partsOf(ink, level) {
    const {w, h} = ink, of = new Int32Array(w * h), parts = []
    ink.data.forEach((v, start) => {
      if (v <= level || of[start]) return
      const part = {top: h, bottom: 0, left: w, right: 0, area: 0, free: true}, todo = [start]
      parts.push(part)
      of[start] = parts.length
      while (todo.length) {
        const i = todo.pop(), [y, x] = [Math.floor(i / w), i % w]
        part.area++
        part.top = Math.min(part.top, y); part.bottom = Math.max(part.bottom, y + 1)
        part.left = Math.min(part.left, x); part.right = Math.max(part.right, x + 1)
        if (onEdge(ink)(i)) part.free = false
        for (let ny = Math.max(0, y - 1); ny <= Math.min(h - 1, y + 1); ny++)
          for (let nx = Math.max(0, x - 1); nx <= Math.min(w - 1, x + 1); nx++) {
            const j = ny * w + nx
            if (ink.data[j] > level && !of[j]) { of[j] = parts.length; todo.push(j) }
          }
      }
      part.size = Math.max(part.bottom - part.top, part.right - part.left)
    })
    return {of, parts}
  }

  // Ink without dust, marks beside the digit and what comes in from the edge
  function oneDigit(ink) {
    const side = Math.max(ink.h, ink.w)
    for (const level of side > 64 ? [.2, .35, .5, .65] : []) {
      const {of, parts} = partsOf(ink, level)
      if (!parts.length) break
      const main = parts.reduce((a, b) => b.free * b.size > a.free * a.size ? b : a)
      if (!main.free || main.size < .12 * side) continue
      const number = parts.indexOf(main) + 1
      const around = slide(grid(Float64Array.from(of, n => n === number), ink.w), even(.1 * main.size), Math.max)
      const near = new Set(of.filter((_, i) => around.data[i]))
      const kept = parts.map((p, k) => {
        const [y, x] = [(p.top + p.bottom) / 2, (p.left + p.right) / 2]
        const framed = y >= main.top && y <= main.bottom && x >= main.left && x <= main.right && p.size > .2 * main.size
        return p === main || p.free && p.area >= .01 * main.area && (near.has(k + 1) || framed)
      })
      if (level === .2 && kept.every(Boolean)) break
      const mask = Float64Array.from(of, n => n > 0 && kept[n - 1])
      const grown = slide(grid(mask, ink.w), Math.max(1, even(.012 * side)), Math.max)
      return like(ink, (v, i) => grown.data[i] && (mask[i] || !of[i]) ? v : 0)
    }
    return ink
  }

  function crop(a, top, bottom, left, right) {
    const rows = rowsOf(a).slice(top, bottom).map(row => row.slice(left, right))
    return grid(Float64Array.from(rows.flat()), right - left)
  }

  function padded(a, r) {
    const b = grid(new Float64Array((a.w + 2 * r) * (a.h + 2 * r)), a.w + 2 * r)
    a.data.forEach((v, i) => { b.data[(Math.floor(i / a.w) + r) * b.w + i % a.w + r] = v })
    return b
  }

  // `ink` without the paper around it
  function inFrame(ink) {
    const inked = rows => rows.map(row => row.some(v => v > .2)), rows = rowsOf(ink)
    const span = seen => [seen.indexOf(true), seen.lastIndexOf(true) + 1]
    return crop(ink, ...span(inked(rows)), ...span(inked(turned(rows))))
  }

  // Strokes of eight to twelve hundredths of the digit, if they were thinner or wider
  function onePen(ink) {
    const drawn = padded(like(ink, v => v > .5), 1), d = drawn.data, side = Math.max(ink.h, ink.w)
    const inner = i => d[i - 1] && d[i + 1] && d[i - drawn.w] && d[i + drawn.w]
    const outline = d.reduce((n, v, i) => n + (v && !inner(i)), 0)
    const width = 2 * d.reduce((a, b) => a + b, 0) / Math.max(1, outline)
    const [more, less] = [.08 * side - width, width - .12 * side].map(v => Math.floor(Math.trunc(v) / 2))
    if (more > 0) return slide(padded(ink, more), more, Math.max)
    if (less < 1 || side <= 40) return ink
    const wide = padded(ink, less), core = slide(wide, less, Math.min), opened = slide(core, less, Math.max)
    return inFrame(like(wide, (v, i) => Math.max(core.data[i], v - opened.data[i])))
  }

  // A row of numbers shrunk or stretched to `n`, as Pillow's `BOX` does
  function boxed(row, n) {
    const scale = row.length / n, wide = Math.max(scale, 1)
    return Array.from({length: n}, (_, i) => {
      const centre = (i + .5) * scale
      const from = Math.max(0, Math.trunc(centre - wide / 2 + .5))
      const to = Math.min(row.length, Math.trunc(centre + wide / 2 + .5))
      const inside = row.slice(from, to).filter((_, k) => {
        const x = (k + from - centre + .5) / wide
        return x > -.5 && x <= .5
      })
      return Math.fround(inside.reduce((a, b) => a + b, 0) / inside.length)
    })
  }
  const rowsOf = a => Array.from({length: a.h}, (_, y) => [...a.data.slice(y * a.w, (y + 1) * a.w)])
  const turned = rows => rows[0].map((_, x) => rows.map(row => row[x]))

  // Ink to the 784 numbers that a model sees: fitted into 20 x 20, its centre of mass in the middle of 28 x 28
  function centreInk(whole) {
    const bold = like(onePen(inFrame(oneDigit(whole))), Math.fround), most = Math.max(bold.h, bold.w)
    const [w, h] = [bold.w, bold.h].map(v => Math.max(1, even(20 * v / most)))
    const small = turned(turned(rowsOf(bold).map(row => boxed(row, w))).map(column => boxed(column, h)))
    const flat = small.flat(), full = largest(flat), usual = quantile(flat.filter(v => v > .1 * full), .75)
    const box = small.map(row => row.map(v => Math.min(1, v / (usual < .8 * full ? usual : full))))
    const sum = row => row.reduce((a, b) => a + b, 0)
    const start = mass => {
      const centre = mass.reduce((s, m, i) => s + m * (i + .5), 0) / sum(mass)
      return Math.min(Math.max(even(14.5 - centre), 0), 28 - mass.length)
    }
    const [top, left] = [start(box.map(sum)), start(turned(box).map(sum))], pixels = Array(784).fill(0)
    box.forEach((row, y) => row.forEach((v, x) => { pixels[(top + y) * 28 + left + x] = v }))
    return pixels
  }

  return {grid, findInk, centreInk}
})()

// The strokes as 784 values in 0..1: drawn anew, large and with a pen of MNIST's width, and then read as `ch4 app`
// reads a picture
function toDigit(strokes) {
  const points = strokes.flat(), xs = points.map(p => p[0]), ys = points.map(p => p[1])
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)]
  const scale = (BOX - PEN) / Math.max(x1 - x0, y1 - y0, 1), side = SIDE * FINE
  const canvas = make('canvas', {width: side, height: side})
  const g = canvas.getContext('2d', {willReadFrequently: true})
  g.setTransform(FINE, 0, 0, FINE, side / 2, side / 2)
  g.lineWidth = PEN
  g.lineCap = g.lineJoin = 'round'
  g.beginPath()
  for (const stroke of strokes) {
    trace(g, stroke.map(([x, y]) => [(x - (x0 + x1) / 2) * scale, (y - (y0 + y1) / 2) * scale]))
  }
  g.stroke()
  const {data} = g.getImageData(0, 0, side, side), ink = new Float64Array(side * side)
  return INK.centreInk(INK.findInk(INK.grid(ink.map((_, i) => data[4 * i + 3] / 255), side)))
}

// Values in -1..1 as a picture: blue speaks for the first label, orange for the second
function paint(canvas, values, colour) {
  const g = canvas.getContext('2d'), image = g.createImageData(canvas.width, canvas.height)
  image.data.fill(255)
  values.forEach((v, i) => image.data.set(colour(v), 4 * i))
  g.putImageData(image, 0, 0)
}
const grey = v => [255 - 255 * v, 255 - 255 * v, 255 - 255 * v]
const blueOrange = v => {
  const k = Math.min(Math.abs(v), 1), away = v > 0 ? [255, 141, 77] : [42, 161, 255]
  return away.map(a => 255 - a * k)
}

// A picture of so many pixels with its caption
function picture(label, caption, width = SIDE, height = SIDE) {
  const canvas = make('canvas', {width, height, role: 'img', 'aria-label': label})
  const below = make('figcaption', {}, caption)
  return {canvas, caption: below, figure: make('figure', {}, canvas, below)}
}

function button(text, pressed) {
  const b = make('button', {type: 'button'}, text)
  b.addEventListener('click', pressed)
  return b
}

// What a model says that gives the first of two labels the probability `prob`
function says(prob, labels) {
  const sure = 100 * Math.max(prob, 1 - prob)
  return `${labels[prob > .5 ? 0 : 1]}, ${sure > 99.9 ? 'more than 99.9' : sure.toFixed(1)} % sure`
}

const KEYS = 'arrow keys move the pen, Space lowers or lifts it, Delete clears'

// A board in `el`, with `views` beside it. `read` gets the 784 pixels of a drawing, or null where there is none, and
// returns what to say. `again` asks it about the same pixels.
function drawingBoard(el, read, ...views) {
  const canvas = make('canvas', {class: 'pad', width: 280, height: 280, tabindex: 0, role: 'application',
    'aria-label': `Drawing area. Draw with the mouse or a finger. With the keyboard: ${KEYS}.`})
  const seen = picture('The drawing as 28 by 28 pixels', 'What the model sees: 28 × 28 pixels')
  const answer = make('output', {class: 'answer', 'aria-live': 'polite'})
  const examples = Object.keys(EXAMPLES).map(d => button(`Show ${d === '8' ? 'an' : 'a'} ${d}`, () => {
    pad.set(EXAMPLES[d].map(s => s.map(([x, y]) => [60 + 160 * x, 40 + 200 * y])))
    show()
  }))
  el.append(answer, make('p', {}, `With the mouse, a finger or the keyboard (${KEYS}).`),
            make('div', {class: 'boards'}, make('figure', {}, canvas),
                 make('div', {class: 'views'}, seen.figure, ...views.map(v => v.figure))),
            make('div', {class: 'controls'}, button('Clear', () => pad.clear()), ...examples))

  const pad = drawingPad(canvas)
  let pixels = null
  const again = () => { answer.textContent = read(pixels) }
  function show() {
    pixels = pad.strokes.length ? toDigit(pad.strokes) : null
    paint(seen.canvas, pixels || Array(SIDE * SIDE).fill(0), grey)
    again()
  }
  for (const event of ['input', 'change']) canvas.addEventListener(event, show)
  show()
  return {answer, again}
}

widget('draw-widget', 'Draw a 3 or a 7', async (el, load) => {
  const weights = picture('The 784 weights: a blue 3 and an orange 7 across it',
                          'Its weights: blue speaks for 3, orange for 7')
  const votes = picture('Pixel times weight', 'Pixel × weight: what counted for which')
  let model = null, status = 'Loading the weights …'
  const board = drawingBoard(el, pixels => {
    if (!model) return status
    const largest = Math.max(...model.weights.map(Math.abs))
    paint(weights.canvas, model.weights.map(w => w / largest * 1.5), blueOrange)
    paint(votes.canvas, model.weights.map((w, i) => (pixels ? pixels[i] : 0) * w / largest * 1.5), blueOrange)
    if (!pixels) return 'Nothing drawn yet.'
    const logit = pixels.reduce((sum, p, i) => sum + p * model.weights[i], model.bias)
    return says(1 / (1 + Math.exp(-logit)), model.labels)
  }, weights, votes)
  try { model = await load() }
  catch {
    status = 'The weights could not be loaded, so the model cannot answer. Reload the page to try again.'
  }
  board.again()
})
