// Runs same_bits.py, the module of the package, beside the page, so that the page stays alive

const fetched = async name => {
  const response = await fetch(new URL(name, import.meta.url))
  if (!response.ok) throw new Error(`${name} is not there`)
  return new Uint8Array(await response.arrayBuffer())
}

const PROGRAM = `
import json,sys,time
from pathlib import Path
from same_bits import DIGEST,digest,same_bits
start = time.perf_counter()
weights = same_bits(Path('same_bits.bin').read_bytes())
json.dumps(dict(seconds=time.perf_counter()-start, version=sys.version.split()[0], digest=digest(weights),
                expected=DIGEST, weights=weights))`

async function run() {
  const { loadPyodide } = await import('./pyodide/pyodide.mjs')
  const python = await loadPyodide()
  for (const name of ['same_bits.py', 'same_bits.bin']) python.FS.writeFile(name, await fetched(name))
  postMessage({ says: 'Training …' })
  return JSON.parse(python.runPython(PROGRAM))
}

run().catch(e => ({ error: e.message })).then(postMessage)
