// What `find_ink` and `centre_ink` of lesson 17 do to a picture, number for number, for the drawing board

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
  const r = Math.floor((Math.floor(.3 * Math.max(a.h, a.w)) | 1) / 2), [low, high] = [smallest(a.data), largest(a.data)]
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
  const rows = Array.from({length: bottom - top}, (_, y) => [...a.data.slice((top + y) * a.w + left, (top + y) * a.w + right)])
  return grid(Float64Array.from(rows.flat()), right - left)
}

function padded(a, r) {
  const b = grid(new Float64Array((a.w + 2 * r) * (a.h + 2 * r)), a.w + 2 * r)
  a.data.forEach((v, i) => { b.data[(Math.floor(i / a.w) + r) * b.w + i % a.w + r] = v })
  return b
}

// Strokes of eight hundredths of the digit, if they were thinner
function thicken(ink) {
  const drawn = padded(like(ink, v => v > .5), 1), d = drawn.data
  const outline = d.reduce((n, v, i) => n + (v && !(d[i - 1] && d[i + 1] && d[i - drawn.w] && d[i + drawn.w]) ? 1 : 0), 0)
  const area = d.reduce((a, b) => a + b, 0)
  const more = Math.floor(Math.trunc(.08 * Math.max(ink.h, ink.w) - 2 * area / Math.max(1, outline)) / 2)
  return more > 0 ? slide(padded(ink, more), more, Math.max) : ink
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
  const ink = oneDigit(whole), seen = rowsOf(ink).map(row => row.some(v => v > .2))
  const across = turned(rowsOf(ink)).map(column => column.some(v => v > .2))
  const cut = crop(ink, seen.indexOf(true), seen.lastIndexOf(true) + 1, across.indexOf(true), across.lastIndexOf(true) + 1)
  const bold = like(thicken(cut), Math.fround), most = Math.max(bold.h, bold.w)
  const [w, h] = [bold.w, bold.h].map(v => Math.max(1, even(20 * v / most)))
  const small = turned(turned(rowsOf(bold).map(row => boxed(row, w))).map(column => boxed(column, h)))
  const flat = small.flat(), full = largest(flat), usual = quantile(flat.filter(v => v > .1 * full), .75)
  const box = small.map(row => row.map(v => Math.min(1, v / (usual < .9 * full ? usual : full))))
  const sum = row => row.reduce((a, b) => a + b, 0)
  const start = mass => {
    const centre = mass.reduce((s, m, i) => s + m * (i + .5), 0) / sum(mass)
    return Math.min(Math.max(even(14.5 - centre), 0), 28 - mass.length)
  }
  const [top, left] = [start(box.map(sum)), start(turned(box).map(sum))], pixels = Array(784).fill(0)
  box.forEach((row, y) => row.forEach((v, x) => { pixels[(top + y) * 28 + left + x] = v }))
  return pixels
}
