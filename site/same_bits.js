// The button of the page "Every bit the same": the module of that page, run by a Python in the browser

const el = document.getElementById('same-bits')
el.innerHTML = `
  <p>The button fetches a whole Python, 13 MB, from this site, and runs the code above in it, unchanged.</p>
  <button type="button" class="btn btn-outline-secondary">Train in this browser</button>
  <output role="status"></output>
  <canvas width="28" height="28" role="img" hidden
    aria-label="The 784 weights at their pixels: blue speaks for a 3, orange for a 7"></canvas>`
const [button, output, canvas] = ['button', 'output', 'canvas'].map(name => el.querySelector(name))
canvas.style.cssText = 'width: 168px; image-rendering: pixelated'

function draw(weights) {
  const far = Math.max(...weights.map(Math.abs))
  const picture = new ImageData(28, 28)
  weights.slice(0, 784).forEach((w, i) => {
    const [ink, light] = [w > 0 ? [0, 114, 178] : [213, 94, 0], 1 - Math.abs(w) / far]
    picture.data.set([...ink.map(o => o + (255 - o) * light), 255], 4 * i)
  })
  canvas.getContext('2d').putImageData(picture, 0, 0)
  canvas.hidden = false
}

function show({ error, version, seconds, digest, expected, weights }) {
  button.disabled = false
  if (error) {
    output.textContent = `It could not run here: ${error}. ` +
      'This copy of the site may have been built without Python for browsers, or opened from a folder. ' +
      'In Jupyter the cells above do the same.'
    return
  }
  output.innerHTML = `<p>Python ${version} in this browser took ${seconds.toFixed(1)} seconds and found</p>
    <p><code>${digest}</code></p><p>${digest === expected ? 'The same, to the last bit.' : `Expected was
    <code>${expected}</code>. Please report this with the name and version of your browser.`}</p>`
  draw(weights)
}

button.addEventListener('click', () => {
  button.disabled = true
  output.textContent = 'Fetching Python …'
  const worker = new Worker(new URL('same_bits_worker.js', import.meta.url), { type: 'module' })
  worker.onmessage = ({ data }) => {
    if (data.says) output.textContent = data.says
    else { worker.terminate(); show(data) }
  }
  worker.onerror = e => { e.preventDefault(); show({ error: e.message || 'no worker could be started' }) }
})
