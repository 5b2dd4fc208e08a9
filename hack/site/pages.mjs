// Gathers the pages of the site into pages/: the home page, the logo, and docs/ as it stands. The generator finds its library from
// where a page lies, which docs/ is too far away for.
import { cpSync, rmSync } from 'node:fs'

rmSync('pages', { recursive: true, force: true })
cpSync('../../docs', 'pages', { recursive: true, filter: (file) => !/\/testdata(\/|$)/.test(file) })
cpSync('index.md', 'pages/index.md')
cpSync('public', 'pages/public', { recursive: true })
