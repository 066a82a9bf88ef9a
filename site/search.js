// Search in the parts of all pages: every word of the question, whole or begun, has to be there.
// The index is a script, so that it is found in a folder, too, where a browser fetches no files.

const IDLE = new Set(`a an and are as at be by can do does for from get how i in is it me my not of on or our
  should so that the there this to use was we what when where which who why with you your`.split(/\s+/))
const tokens = text => text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) || []
const plain = text => text.replace(/[&<>"]/g, c => ({'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;'}[c]))

// How well `text` has `word`: 0, or more where it is whole and where it comes often
function found(text, word) {
  let whole = 0, begun = 0
  for (let i = text.indexOf(word); i >= 0; i = text.indexOf(word, i + 1)) {
    if (i && /[\p{L}\p{N}]/u.test(text[i - 1])) continue
    /^s?(?![\p{L}\p{N}_])/u.test(text.slice(i + word.length, i + word.length + 2)) ? whole++ : begun++
  }
  return whole ? 1 + Math.min(whole, 4) / 8 : begun ? .6 : 0
}

// The part with its texts in small letters, made once
function prepared(part) {
  return part.low ||= Object.fromEntries(
    ['title', 'section', 'text', 'asked'].map(name => [name, part[name].toLowerCase()]))
}

// How well a part answers; `rest` is how many of the words it lacks
function rated(part, words, phrase) {
  const low = prepared(part), heading = low.section || low.title
  let score = 0, rest = 0
  for (const word of words) {
    const best = Math.max(14 * found(low.asked, word), 10 * found(low.section, word),
                          (low.section ? 3 : 8) * found(low.title, word), 2 * found(low.text, word))
    best ? score += best : rest++
  }
  if (heading === phrase) score += 30
  if (low.asked.split(', ').includes(phrase)) score += 30
  if (words.length > 1 && found(low.text, phrase)) score += 4
  return {part, rest, score: score / words.length * part.weight}
}

// Whether one letter added, left out, changed or swapped makes `a` of `b`
function near(a, b) {
  if (Math.abs(a.length - b.length) > 1 || a[0] !== b[0]) return false
  let i = 0, k = 1
  while (i < a.length && a[i] === b[i]) i++
  while (k <= Math.min(a.length, b.length) - i && a.at(-k) === b.at(-k)) k++
  const [x, y] = [a.slice(i, a.length - k + 1), b.slice(i, b.length - k + 1)]
  return x.length < 2 && y.length < 2 || x.length === 2 && x === y[1] + y[0]
}

// A word that no page has, as the nearest one that some page has
function mended(word, index) {
  if (word.length < 4 || index.some(part => Object.values(prepared(part)).some(text => found(text, word)))) return word
  index.words ||= new Set(index.flatMap(part => [part.section, part.text, part.asked].flatMap(tokens)))
  return [...index.words].find(other => near(word, other)) || word
}

// The best parts for a question, at most `most`
function searched(index, question, most = 12) {
  const all = tokens(question), asked = all.filter(word => !IDLE.has(word))
  const words = (asked.length ? asked : all).map(w => mended(w.length > 3 ? w.replace(/([^s])s$/, '$1') : w, index))
  if (!words.length) return {words, parts: []}
  const phrase = question.trim().toLowerCase()
  const hits = index.map(part => rated(part, words, phrase)).filter(hit => hit.rest < words.length)
  const least = Math.min(...hits.map(hit => hit.rest))
  const best = hits.filter(hit => hit.rest === least).sort((a, b) => b.score - a.score)
  return {words, parts: best.slice(0, most).map(hit => hit.part)}
}

// 200 letters of `text` around the first of the words, with these marked
function excerpt(text, words) {
  const first = Math.min(...words.map(w => text.toLowerCase().indexOf(w)).filter(i => i >= 0), text.length)
  const start = first === text.length ? 0 : Math.max(0, first - 60)
  const either = words.map(w => w.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')
  return (start ? '…' : '') + plain(text.slice(start, start + 200)).replace(RegExp(`(${either})`, 'gi'), '<mark>$1</mark>')
}

for (const old of document.querySelectorAll('.smalldocs-search')) {
  const box = old.cloneNode(true) // without the listeners of smalldocs, which has a search of its own
  old.replaceWith(box)
  const input = box.querySelector('input'), results = box.querySelector('.smalldocs-search-results')
  const links = () => [...results.querySelectorAll('.search-result')]
  const show = html => { results.innerHTML = html; results.classList.add('show') }
  const hide = () => results.classList.remove('show')
  let last = 0

  async function search() {
    const question = input.value, mine = ++last
    if (question.trim().length < 2) return hide()
    let index
    try { index = await load('search_index') }
    catch { return show('<div class="search-none">The list of pages could not be loaded.</div>') }
    if (mine !== last) return // the reader has typed on
    const {words, parts} = searched(index, question)
    if (!parts.length) return show('<div class="search-none">No page has these words.</div>')
    show(parts.map(part => `<a class="search-result" href="${HERE}${part.href}">` +
      `<div class="search-result-title">${plain(part.section || part.title)}</div>` +
      (part.section ? `<div class="search-result-section">${plain(part.title)}</div>` : '') +
      `<div class="search-result-text">${excerpt(part.text, words)}</div></a>`).join(''))
  }
  input.addEventListener('input', search)
  input.addEventListener('focus', search)
  input.addEventListener('keydown', e => {
    const all = links(), at = all.findIndex(a => a.classList.contains('active'))
    const step = {ArrowDown: 1, ArrowUp: -1}[e.key]
    if (e.key === 'Escape') { hide(); input.blur() }
    else if (!all.length) return
    else if (e.key === 'Enter') (all[at] || all[0]).click()
    else if (step) {
      all[at]?.classList.remove('active')
      const next = all[(at < 0 ? (step > 0 ? 0 : -1) : at + step) % all.length] || all.at(-1)
      next.classList.add('active')
      next.scrollIntoView({block: 'nearest'})
    } else return
    e.preventDefault()
  })
  document.addEventListener('click', e => { if (!box.contains(e.target)) hide() })
}
