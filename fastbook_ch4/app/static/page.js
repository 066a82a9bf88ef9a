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
file.addEventListener('change', async () => {
  const [chosen] = file.files, limit = +file.dataset.max
  if (!chosen) return
  const signal = begin()
  pad.set([])
  if (chosen.size > limit) return say(`This file is larger than ${limit / 1e6} MB. Choose a smaller picture.`)
  const data = await chosen.arrayBuffer().catch(() => null)
  if (!data) return say('The browser cannot read this file. Choose another one.')
  read(data, signal)
  const picture = await createImageBitmap(chosen).catch(() => null)  // the model may read what it cannot show
  if (!signal.aborted) pad.set([], picture)
})
