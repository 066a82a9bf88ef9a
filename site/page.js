// What the renderers leave out for those who use the keyboard

// What scrolls sideways can be reached and scrolled
const reachable = () => document.querySelectorAll('pre, .sd-table, .cell-output-display').forEach(el => {
  if (el.scrollWidth > el.clientWidth + 1) el.tabIndex = 0
})
addEventListener('load', reachable)
addEventListener('resize', reachable)
addEventListener('toggle', reachable, true) // code that was folded

// Where a line of code wraps, its rest stands further in, or it would look like a statement of its own
for (const code of document.querySelectorAll('pre.code-overflow-wrap > code')) {
  if (code.querySelector('span[id]')) continue // Quarto marks the lines itself
  let open = '' // the tag of a text that goes on in the next line
  code.innerHTML = code.innerHTML.split('\n').map(line => {
    const text = open + line
    const tag = (text.match(/<[^>]*>/g) || []).at(-1) || '</span>'
    open = tag === '</span>' ? '' : tag
    const indent = line.search(/\S|$/)
    return `<span class="line" style="--rest: ${indent + 2}ch">${text}${open && '</span>'}</span>`
  }).join('\n')
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

// What can be touched replaces the text of the element that has its name
addEventListener('DOMContentLoaded', () => {
  for (const [name, fill] of Object.entries(WIDGETS)) {
    const el = document.getElementById(name)
    if (el) fill(el, async () => (await fetch('digit_weights.json')).json())
  }
})

// One page has a button with a script of its own
if (document.getElementById('same-bits')) import('./same_bits.js')

// A search result on the page one is on uncovers the text
addEventListener('click', e => {
  if (!e.target.closest('.search-result')) return
  document.querySelectorAll('.smalldocs-search-results.show').forEach(el => el.classList.remove('show'))
  document.querySelectorAll('.navbar-collapse.show').forEach(el => bootstrap.Collapse.getOrCreateInstance(el).hide())
  document.activeElement.blur()
})
