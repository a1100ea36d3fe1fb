// What each page costs a browser: bytes, requests, the time to the first byte, and what axe says of it.
//
// node facts.mjs HOME URL NAME PASSWORD: packages in HOME; pages at URL/account, those of admins at URL/admin, and the
// name and password of an admin. Prints a table. What is wrong is thrown.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [home, url, name, password] = process.argv.slice(2);
const require = createRequire(join(home, 'package.json'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});
const row = (cells) => console.log(`| ${cells.join(' | ')} |`);

async function facts(page, path) {
  const requests = [];
  const note = (request) => requests.push(request.url());
  page.on('request', note);
  const answer = await page.goto(url + path, { waitUntil: 'load' });
  page.off('request', note);
  assert.equal(answer.status(), 200, path);
  assert.equal(new URL(page.url()).pathname, path.split('?')[0], 'nobody is sent elsewhere');
  const [html, css, first] = await page.evaluate(() => {
    const [page] = performance.getEntriesByType('navigation');
    const style = performance.getEntriesByType('resource').filter((it) => it.name.endsWith('.css'));
    const sum = style.reduce((all, it) => all + it.decodedBodySize, 0);
    return [page.decodedBodySize, sum, page.responseStart - page.requestStart];
  });
  const found = await page.evaluate(`${axe}; axe.run()`);
  const links = await page.getByRole('link').evaluateAll((all) => all.map((it) => it.href));
  row([path.split('?')[0], html, css, requests.length, first.toFixed(1), found.violations.length, found.passes.length]);
  assert.deepEqual(found.violations.map((it) => it.id), [], path);
  assert.ok(found.passes.length > 10, `axe has looked at ${path}`);
  // The page and its style sheet, and nothing else of anybody.
  assert.ok(requests.length <= 2 && requests.every((it) => it.startsWith(url)), `${path}: ${requests}`);
  assert.ok(html + css < 24_000, `${path}: ${html + css} bytes`);
  return links;
}

row(['page', 'HTML, bytes', 'CSS, bytes', 'requests', 'first byte, ms', 'axe: wrong', 'axe: right']);
row(Array(7).fill('---'));
// With nothing kept: what somebody pays who comes for the first time.
const fresh = async () => (await browser.newContext()).newPage();
for (const page of ['login', 'register']) await facts(await fresh(), `/account/${page}`);
const page = await fresh();
await page.goto(`${url}/account/login`);
await page.getByLabel('Name').fill(name);
await page.getByLabel('Password').fill(password);
await page.getByRole('button', { name: 'Log in' }).click();
await page.waitForURL('**/devices');
const known = await page.context().storageState();
const again = async () => (await browser.newContext({ storageState: known })).newPage();
for (const name of ['devices', 'password', 'api-keys', 'logout']) await facts(await again(), `/account/${name}`);
let person = [];
for (const name of ['overview', 'people', 'events', 'keys']) {
  const links = await facts(await again(), `/admin/${name}`);
  person = person.concat(links.filter((link) => link.includes('/person?')));
}
const path = (link) => link.slice(new URL(link).origin.length);
const sessions = await facts(await again(), path(person[0]));
await facts(await again(), path(sessions.find((link) => link.includes('/session?'))));
await browser.close();
