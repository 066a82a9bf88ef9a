// Runs in the page of `ch4 app`: Gradio gives it `element`, `props` and `trigger`. What the model reads is `props.value`, a data address.
const [pad, button, file, problem] = ['canvas', 'button', 'input', '.problem'].map(s => element.querySelector(s)), g = pad.getContext('2d')
let strokes = [], pen = [140, 60], down = false, uploaded = null

function send(value) { problem.textContent = ''; props.value = value; trigger('input') }
function empty() { strokes = []; down = false; uploaded = null; file.value = '' }
function clear() { empty(); show(); send('') }

// The white sheet with the strokes is what is read; the ring that shows where the pen is stands only on the screen
function sheet() {
  g.fillStyle = '#fff'
  g.fillRect(0, 0, 280, 280)
  if (uploaded) {
    const scale = Math.min(280 / uploaded.width, 280 / uploaded.height), [w, h] = [uploaded.width * scale, uploaded.height * scale]
    g.drawImage(uploaded, (280 - w) / 2, (280 - h) / 2, w, h)
  }
  g.lineWidth = 20
  g.lineCap = g.lineJoin = 'round'
  g.strokeStyle = '#000'
  for (const stroke of strokes) {
    g.beginPath()
    g.moveTo(...stroke[0])
    for (const point of stroke) g.lineTo(...point)
    g.stroke()
  }
}
function show() {
  sheet()
  if (pad.matches(':focus-visible')) for (const [width, colour] of [[5, '#fff'], [2.5, down ? '#c14a00' : '#0072b2']]) {
    g.lineWidth = width
    g.strokeStyle = colour
    g.beginPath()
    g.arc(...pen, 13, 0, 7)
    g.stroke()
  }
}
function read() { sheet(); const value = pad.toDataURL('image/png'); show(); send(value) }

function lower() { if (uploaded) empty(); down = true; strokes.push([pen]) }
function lift() { if (down) { down = false; read() } }
function at(e) {
  const box = pad.getBoundingClientRect()
  return [(e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height].map(v => 280 * Math.min(1, Math.max(0, v)))
}
pad.addEventListener('pointerdown', e => {
  if (!e.isPrimary || e.button) return
  pad.setPointerCapture(e.pointerId)
  pen = at(e)
  lower()
  show()
})
pad.addEventListener('pointermove', e => { if (e.isPrimary && down && e.buttons) { pen = at(e); strokes.at(-1).push(pen); show() } })
for (const end of ['pointerup', 'pointercancel']) pad.addEventListener(end, e => { if (e.isPrimary) lift() })
pad.addEventListener('focus', show)
pad.addEventListener('blur', () => { lift(); show() })
pad.addEventListener('keydown', e => {
  const move = {ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10]}[e.key]
  if (move) {
    pen = pen.map((v, k) => Math.min(275, Math.max(5, v + move[k])))
    if (down) strokes.at(-1).push(pen)
    show()
  } else if (e.key === ' ') { down ? lift() : lower(); show() }
  else if (e.key === 'Delete' || e.key === 'Backspace') clear()
  else return
  e.preventDefault()
})
button.addEventListener('click', clear)
file.addEventListener('change', () => {
  const chosen = file.files[0]
  if (!chosen) return
  if (chosen.size > props.max_upload) {
    clear()
    problem.textContent = `This file is larger than ${props.max_upload / 1e6} MB. Choose a smaller picture.`
    return
  }
  const reader = new FileReader()
  reader.onload = () => {
    strokes = []
    const image = new Image()
    image.onload = () => { uploaded = image; show() }
    image.onerror = () => { uploaded = null; show() }
    image.src = reader.result
    send(reader.result)
  }
  reader.onerror = () => { clear(); problem.textContent = 'The browser cannot read this file. Choose another one.' }
  reader.readAsDataURL(chosen)
})
show()
