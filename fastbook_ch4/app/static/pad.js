// The drawing board of `ch4 app` and of lesson 7 on the site, for mouse, finger and keyboard.
// Like an input, the canvas fires `input` while a line grows, and `change` when it is done or all is cleared.

// A line through `points`; a single one becomes a dot
function trace(g, points) {
  points.forEach((p, i) => i ? g.lineTo(...p) : g.moveTo(...p))
  g.lineTo(points.at(-1)[0] + .01, points.at(-1)[1])
}

function drawingPad(canvas) {
  const size = 280, g = canvas.getContext('2d')
  let strokes = [], picture = null, pen = [140, 60], down = false

  function tell(name) { canvas.dispatchEvent(new Event(name)) }

  // The white sheet with picture and strokes is what one reads; the ring around the pen is only seen
  function paintSheet() {
    g.fillStyle = '#fff'
    g.fillRect(0, 0, size, size)
    if (picture) {
      const scale = size / Math.max(picture.width, picture.height)
      const [w, h] = [picture.width * scale, picture.height * scale]
      g.drawImage(picture, (size - w) / 2, (size - h) / 2, w, h)
    }
    g.lineWidth = 20
    g.lineCap = g.lineJoin = 'round'
    g.strokeStyle = '#000'
    g.beginPath()
    for (const stroke of strokes) trace(g, stroke)
    g.stroke()
  }
  function paint() {
    paintSheet()
    if (!canvas.matches(':focus-visible')) return
    for (const [width, colour] of [[5, '#fff'], [2.5, down ? '#c14a00' : '#0072b2']]) {
      g.lineWidth = width
      g.strokeStyle = colour
      g.beginPath()
      g.arc(...pen, 13, 0, 7)
      g.stroke()
    }
  }

  function set(newStrokes, newPicture = null) {
    [strokes, picture, down] = [newStrokes, newPicture, false]
    paint()
  }
  function clear() { set([]); tell('change') }
  function lower() {
    if (picture) set([])  // a stroke begins a new drawing
    down = true
    strokes.push([])
    draw()
  }
  function draw() { strokes.at(-1).push(pen); paint(); tell('input') }
  function lift() { if (down) { down = false; paint(); tell('change') } }

  function follow(e) {
    const box = canvas.getBoundingClientRect()
    pen = [(e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height]
      .map(v => size * Math.min(1, Math.max(0, v)))
  }
  canvas.addEventListener('pointerdown', e => {
    if (!e.isPrimary || e.button) return
    canvas.setPointerCapture(e.pointerId)
    follow(e)
    lower()
  })
  canvas.addEventListener('pointermove', e => { if (e.isPrimary && down && e.buttons) { follow(e); draw() } })
  for (const end of ['pointerup', 'pointercancel']) {
    canvas.addEventListener(end, e => { if (e.isPrimary) lift() })
  }
  canvas.addEventListener('focus', paint)
  canvas.addEventListener('blur', () => { lift(); paint() })
  canvas.addEventListener('keydown', e => {
    const move = {ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10]}[e.key]
    if (move) {
      pen = pen.map((v, k) => Math.min(size - 5, Math.max(5, v + move[k])))
      down ? draw() : paint()
    } else if (e.key === ' ') down ? lift() : lower()
    else if (e.key === 'Delete' || e.key === 'Backspace') clear()
    else return
    e.preventDefault()
  })
  paint()
  return {
    get strokes() { return strokes },
    set,  // draw these strokes, each a list of [x, y] in 0..280, or a picture; this fires nothing
    clear,
    png() {
      paintSheet()
      const file = new Promise(done => canvas.toBlob(done))
      paint()
      return file
    },
  }
}
