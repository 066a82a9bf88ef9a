// The page of `ch4 app`: what is drawn or chosen goes to the server, and what it answers is shown
const [canvas, button, file, answer] =
  ['canvas', 'button', 'input', '#answer'].map(s => document.querySelector(s))
const pad = drawingPad(canvas), nothing = answer.innerHTML
let asked = new AbortController()

// From now on, no answer to what was asked before is shown
function begin() {
  asked.abort()
  asked = new AbortController()
  return asked.signal
}
function say(note) {
  const p = document.createElement('p')
  p.className = 'note'
  p.textContent = note
  answer.replaceChildren(p)
}
async function read(picture, signal) {
  try {
    const response = await fetch('read', {method: 'POST', body: await picture, signal})
    if (!response.ok) throw Error(response.status)
    const said = await response.text()
    if (!signal.aborted) answer.innerHTML = said
  } catch {
    if (!signal.aborted) say('There is no answer: the server is busy or has a problem. Try again.')
  }
}

canvas.addEventListener('change', () => {
  const signal = begin()
  file.value = ''
  if (pad.strokes.length) read(pad.png(), signal)
  else answer.innerHTML = nothing
})
button.addEventListener('click', pad.clear)
// A photograph as a small file: of a picture larger than this, the model looks at no more
const LARGEST = 1000
function shrunk(picture) {
  const scale = LARGEST / Math.max(picture.width, picture.height), canvas = document.createElement('canvas')
  canvas.width = Math.max(1, Math.round(picture.width * scale))
  canvas.height = Math.max(1, Math.round(picture.height * scale))
  const g = canvas.getContext('2d')
  g.imageSmoothingQuality = 'high'
  g.drawImage(picture, 0, 0, canvas.width, canvas.height)
  return new Promise(done => canvas.toBlob(done))
}
file.addEventListener('change', async () => {
  const [chosen] = file.files, limit = +file.dataset.max
  if (!chosen) return
  const signal = begin()
  pad.set([])
  const picture = await createImageBitmap(chosen).catch(() => null)  // the model may read what it cannot show
  const large = picture && Math.max(picture.width, picture.height) > LARGEST
  const sent = large ? await shrunk(picture) : await chosen.arrayBuffer().catch(() => null)
  if (signal.aborted) return
  pad.set([], picture)
  if (!sent) return say('The browser cannot read this file. Choose another one.')
  if ((sent.size ?? sent.byteLength) > limit) {
    return say(`This file is larger than ${limit / 1e6} MB, and the browser cannot make it smaller. Save it as JPEG.`)
  }
  read(sent, signal)
})
