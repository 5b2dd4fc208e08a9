// The documentation site: docs/ in the order of the jobs that a reader has. "make site" builds it into site/.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'

const base = process.env.SITE_BASE ?? '/'
const repository = 'https://github.com/pitot-autoscaling/pitot'
const pages = fileURLToPath(new URL('../pages', import.meta.url))

// Pages by job, by their file's name. A title is the page's own heading; a page that is in no group is in the last one.
const jobs = [
  ['Choose a signal', ['choosing', 'detect', 'presets', 'from-keda']],
  ['Write rules', ['configuration', 'team-rules', 'check']],
  ['Try an HPA first', ['simulate', 'traces', 'scenarios', 'how-the-hpa-decides', 'accuracy', 'conformance']],
  ['Install and run', ['install', 'helm-values', 'certificates', 'observability', 'metrics', 'runbooks', 'upgrading']],
  ['When it does not scale', ['troubleshooting', 'doctor', 'no-number']],
  ['Work on Pitot', ['architecture', 'testing', 'releasing']],
]

const files = readdirSync(pages, { recursive: true })
  .filter((file) => file.endsWith('.md') && file !== 'index.md' && statSync(join(pages, file)).isFile())
  .map((file) => file.slice(0, -'.md'.length))
  .sort()

function entry(page) {
  const heading = readFileSync(join(pages, page + '.md'), 'utf8').match(/^# (.+)$/m)
  if (!heading) throw new Error(`docs/${page}.md has no heading`)
  return { text: heading[1].replace(/`/g, ''), link: '/' + page }
}

function navigation() {
  const stacks = files.filter((file) => file.startsWith('stacks/'))
  const groups = [jobs[0], ['Your stack', stacks], ...jobs.slice(1)].map(([text, wanted]) => [text, wanted.filter((page) => files.includes(page))])
  const placed = groups.flatMap(([, wanted]) => wanted)
  groups.push(['More', files.filter((file) => !placed.includes(file))])
  return groups.filter(([, wanted]) => wanted.length > 0).map(([text, wanted]) => ({ text, items: wanted.map(entry) }))
}

// The anchors that GitHub gives to headings, so that a link works in both places.
function slugify(heading) {
  return heading.trim().toLowerCase().replace(/[^\p{L}\p{N}\p{M}\s_-]/gu, '').replace(/\s/g, '-')
}

// What docs/ links to elsewhere in the repository is at GitHub.
function linksOutOfDocs(md) {
  md.core.ruler.push('links-out-of-docs', (state) => {
    for (const block of state.tokens) {
      for (const token of block.children ?? []) {
        const target = token.type === 'link_open' && token.attrGet('href')
        if (!target || !target.startsWith('../')) continue
        const file = join('docs', state.env.relativePath, '..', target)
        if (file.startsWith('docs/')) continue
        token.attrSet('href', `${repository}/blob/main/${file}`)
      }
    }
  })
}

// A flag or a name is one word: it is not broken at its hyphens.
function wholeWords(md) {
  md.core.ruler.push('whole-words', (state) => {
    for (const block of state.tokens) {
      for (const token of block.children ?? []) {
        if (token.type === 'code_inline' && /^\S{1,28}$/.test(token.content)) token.attrJoin('class', 'word')
      }
    }
  })
}

export default defineConfig({
  title: 'Pitot',
  description: 'Scale Python services with standard Kubernetes HPAs, on the signals that matter.',
  base,
  head: [['link', { rel: 'icon', href: base + 'logo.svg', type: 'image/svg+xml' }]],
  srcDir: 'pages',
  outDir: '../../site',
  // test/site checks them, anchors included.
  ignoreDeadLinks: true,
  markdown: {
    defaultHighlightLang: 'text',
    anchor: { slugify },
    toc: { slugify },
    config: (md) => md.use(linksOutOfDocs).use(wholeWords),
    theme: { light: 'github-light-high-contrast', dark: 'github-dark' },
  },
  themeConfig: {
    logo: '/logo.svg',
    nav: [
      { text: 'Choose a signal', link: '/choosing', activeMatch: '^/(choosing|detect|presets|from-keda|stacks/)' },
      { text: 'Rules', link: '/configuration' },
      { text: 'Install', link: '/install' },
      { text: 'Simulate', link: '/simulate' },
      { text: 'Troubleshoot', link: '/troubleshooting' },
    ],
    sidebar: navigation(),
    outline: { level: [2, 3] },
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: repository }],
    editLink: { pattern: `${repository}/edit/main/docs/:path`, text: 'Improve this page' },
    footer: { message: 'Apache License 2.0' },
  },
})
