// What the renderers leave out for those who use the keyboard, a phone or a folder of files

// Data beside this script: a script of its own that calls `loaded`, because a browser fetches nothing from a folder
const HERE = document.currentScript.src.replace(/[^/]*$/, '')
const waiting = {}, arrived = {}
const loaded = (name, data) => waiting[name](data)
const load = name => arrived[name] ||= new Promise((resolve, reject) => {
  waiting[name] = resolve
  const script = document.createElement('script')
  script.src = `${HERE}${name}.js`
  script.onerror = () => { delete arrived[name]; reject(Error(`${name}.js could not be loaded`)) }
  document.head.append(script)
})

// The parts of a page have names, and no heading skips a level
for (const [part, name] of [['nav.navbar', 'Main menu'], ['nav.page-navigation', 'Before and after'],
                            ['nav#quarto-sidebar', 'All pages'], ['#quarto-margin-sidebar', 'On this page']]) {
  document.querySelector(part)?.setAttribute('aria-label', name)
}
document.querySelector('#quarto-margin-sidebar')?.setAttribute('role', 'complementary')
let level = 1
for (const heading of document.querySelectorAll('main :is(h2, h3, h4, h5)')) {
  const own = +heading.tagName[1]
  if (own > level + 1) heading.setAttribute('aria-level', level + 1)
  level = Math.min(own, level + 1)
}

// Where there is no room beside the text, the contents of the page are in a fold above it
const contents = document.querySelector('#TOC > ul'), above = document.querySelector('#title-block-header')
if (contents && above) {
  const fold = document.createElement('details'), list = contents.cloneNode(true)
  fold.className = 'contents'
  fold.innerHTML = '<summary>On this page</summary>'
  for (const el of list.querySelectorAll('[id]')) el.removeAttribute('id')
  fold.append(list)
  above.after(fold)
  list.addEventListener('click', () => { fold.open = false })
}

// Printed lines are broken where they are long or a sentence, but for columns, which scroll
for (const out of document.querySelectorAll('.cell-output > pre')) {
  const columns = out.textContent.split('\n').filter(line => /\S {2,}\S/.test(line)).length > 1
  const sentence = /([A-Za-z]+,? ){5}/.test(out.textContent)
  out.classList.toggle('wrapped', !columns || sentence)
}

// Quarto marks the dark theme on the body, and gives a table no room to scroll
if (document.body.matches('.quarto-light, .quarto-dark')) {
  const dark = () => document.documentElement.classList.toggle('quarto-dark', document.body.matches('.quarto-dark'))
  new MutationObserver(dark).observe(document.body, { attributeFilter: ['class'] })
  dark()
}
for (const table of document.querySelectorAll('main table')) {
  if (table.closest('.sd-table, .cell-output-display, .widget')) continue
  const room = document.createElement('div')
  room.className = 'sd-table'
  table.replaceWith(room)
  room.append(table)
}

// What scrolls sideways can be reached and scrolled, and fades where it goes on
const wide = 'pre, .sd-table, .cell-output-display, .cover'
const fade = el => el.classList.toggle('goes-on', el.scrollWidth - el.clientWidth - el.scrollLeft > 2)
const reachable = () => document.querySelectorAll(wide).forEach(el => {
  if (el.scrollWidth > el.clientWidth + 1) el.tabIndex = 0
  fade(el)
})
addEventListener('scroll', e => { if (e.target.matches?.(wide)) fade(e.target) }, true)
addEventListener('load', reachable)
addEventListener('resize', reachable)
addEventListener('toggle', reachable, true) // code that was folded

const TIMES = '<span class="op">@</span>'

// Where a line of code wraps, its rest stands further in, or it would look like a statement of its own
for (const code of document.querySelectorAll('pre.sourceCode:not(.text) > code')) {
  if (code.querySelector('span[id]')) continue // Quarto marks the lines itself
  let open = '' // the tag of a text that goes on in the next line
  code.innerHTML = code.innerHTML.split('\n').map(line => {
    const text = open + line
      // what is no decorator multiplies
      .replace(/<span class="at">@(.*?)<\/span>/g, (at, name, i) => line.slice(0, i).trim() ? `${TIMES}${name}` : at)
      // rather there than within a word
      .replace(/,(?=[^\s\d])|\((?=[^\s)])/g, '$&<wbr>')
      .replace(/<span class="op">\.<\/span>(?=[a-z_<])/gi, '<wbr>$&')
    const tag = (text.match(/<[^>]*>/g) || []).at(-1) || '</span>'
    open = tag === '</span>' ? '' : tag
    const indent = line.search(/\S|$/)
    return `<span class="line" style="--rest: ${indent + 2}ch">${text}${open && '</span>'}</span>`
  }).join('\n')
}

// In the text, names and options stay whole, and only long ones are broken, between their words
for (const code of document.querySelectorAll('main :is(p, li, td) code:not(pre code)')) {
  if (code.children.length) continue
  code.innerHTML = code.innerHTML.split(' ').map(word =>
    word.length > 24 ? word.replace(/::|[_/]/g, '$&<wbr>') : `<span class="whole">${word}</span>`).join(' ')
}

// The sidebar shows where one is
const here = document.querySelector('#quarto-sidebar .sidebar-link.active')
if (here) {
  const bar = here.closest('#quarto-sidebar')
  bar.scrollTop += here.getBoundingClientRect().top - bar.getBoundingClientRect().top - bar.clientHeight / 2
}

// The first stop on every page leads past the menus
document.body.insertAdjacentHTML('afterbegin', '<a class="skip" href="#quarto-document-content">Skip to the text</a>')
document.querySelector('.skip').addEventListener('click', e => {
  const main = document.querySelector('#quarto-document-content')
  main.tabIndex = -1
  main.focus()
  e.preventDefault()
})

// What folds the sidebar and switches the theme is a button
for (const el of document.querySelectorAll('.sidebar-item a:not([href]), .quarto-color-scheme-toggle')) {
  el.setAttribute('role', 'button')
  el.tabIndex = 0
  if (el.title) el.setAttribute('aria-label', el.title)
  el.addEventListener('keydown', e => { if (e.key === 'Enter' || e.key === ' ') { e.preventDefault(); el.click() } })
}

// Paper is white, and folds do not open there
let folds = [], styles = []
addEventListener('beforeprint', () => {
  folds = [...document.querySelectorAll('main details:not([open], .contents)')]
  for (const fold of folds) fold.open = true
  styles = [...document.querySelectorAll('link.quarto-color-scheme')].map(link => [link, link.media])
  for (const [link] of styles) link.media = link.classList.contains('quarto-color-alternate') ? 'not all' : 'all'
  document.documentElement.classList.toggle('on-paper', document.documentElement.classList.contains('quarto-dark'))
  document.documentElement.classList.remove('quarto-dark')
})
addEventListener('afterprint', () => {
  for (const fold of folds) fold.open = false
  for (const [link, media] of styles) link.media = media
  document.documentElement.classList.replace('on-paper', 'quarto-dark')
})

// What can be touched replaces the text of the element that has its name
addEventListener('DOMContentLoaded', () => {
  for (const [name, fill] of Object.entries(WIDGETS)) {
    const el = document.getElementById(name)
    if (el) fill(el, () => load('digit_weights'))
  }
})

// One page has a button with a script of its own
if (document.getElementById('same-bits')) import('./same_bits.js').catch(() => {}) // not in a folder

// A search result on the page one is on uncovers the text
addEventListener('click', e => {
  if (!e.target.closest('.search-result')) return
  document.querySelectorAll('.smalldocs-search-results.show').forEach(el => el.classList.remove('show'))
  document.querySelectorAll('.navbar-collapse.show').forEach(el => bootstrap.Collapse.getOrCreateInstance(el).hide())
  document.activeElement.blur()
})
