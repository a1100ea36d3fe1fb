// Two people with two browsers each use the ready-made pages, in Chromium, and an admin looks after them.
//
// node people.mjs HOME URL PICTURES: packages in HOME, the example `pages` at URL, screenshots into PICTURES.
// Prints `ok` at the end. What is wrong is thrown.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [home, url, pictures] = process.argv.slice(2);
const require = createRequire(join(home, 'package.json'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  // As people have it: pages are kept to go back to.
  ignoreDefaultArgs: ['--disable-back-forward-cache'],
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});
const password = 'through the looking glass';
const problems = [];

async function person(options = {}) {
  const context = await browser.newContext({ ...options });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  page.on('console', (line) => {
    // A refused login is told on the console too.
    if (line.type() === 'error' && !line.text().includes('status of 4')) problems.push(line.text());
  });
  page.on('pageerror', (error) => problems.push(String(error)));
  return page;
}

async function fillIn(page, fields, button) {
  for (const [label, value] of Object.entries(fields)) await page.getByLabel(label, { exact: true }).fill(value);
  await page.getByRole('button', { name: button, exact: true }).click();
}

// What leads to another page, and that page: a click alone comes back while the old one may still be there.
async function follow(page, link) {
  const loaded = page.waitForEvent('load');
  await link.click();
  await loaded;
}

async function look(page, name) {
  await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  const found = await page.evaluate(`${axe}; axe.run()`);
  const wrong = found.violations.map((it) => `${name}: ${it.id}: ${it.nodes.map((node) => node.html).join(' ')}`);
  assert.deepEqual(wrong, [], 'axe finds nothing');
  assert.ok(found.passes.length > 10, `axe has looked: ${found.passes.length}`);
  const wide = await page.evaluate('document.documentElement.scrollWidth > window.innerWidth');
  assert.equal(wide, false, `${name} fits the width of the screen`);
}

// Ann registers on her laptop. The page that she asked for follows.
const laptop = await person({ viewport: { width: 1280, height: 800 } });
await laptop.goto(`${url}/notes`);
assert.equal(new URL(laptop.url()).pathname, '/account/login');
await look(laptop, 'login');
await follow(laptop, laptop.getByRole('link', { name: 'Make an account' }));
await fillIn(laptop, { Name: 'ann', Password: 'short' }, 'Make an account');
await laptop.getByText('fewer than 8').waitFor();
assert.equal(await laptop.getByLabel('Password', { exact: true }).getAttribute('aria-invalid'), 'true');
await look(laptop, 'register');
await fillIn(laptop, { Name: 'ann', Password: password }, 'Make an account');
await laptop.waitForURL('**/notes');

// And logs in on her phone, which is dark.
const phone = await person({ viewport: { width: 360, height: 740 }, colorScheme: 'dark', isMobile: true });
await phone.goto(`${url}/account/login`);
await fillIn(phone, { Name: 'ann', Password: 'wrong password' }, 'Log in');
await phone.getByRole('alert').waitFor();
await look(phone, 'login_dark');
await fillIn(phone, { Name: 'ann', Password: password }, 'Log in');
await phone.waitForURL('**/notes');

// Bob has two browsers too.
const [one, two] = [await person({ viewport: { width: 768, height: 1024 } }), await person()];
await one.goto(`${url}/account/register`);
await fillIn(one, { Name: 'bob', Password: password }, 'Make an account');
await one.waitForURL('**/notes');
await two.goto(`${url}/account/login`);
await fillIn(two, { Name: 'bob', Password: password }, 'Log in');
await two.waitForURL('**/notes');

// Ann finds her devices, and logs the phone out.
await laptop.goto(`${url}/account/devices`);
assert.equal(await laptop.getByRole('listitem').count(), 2);
await look(laptop, 'devices');
// The picture of README.
await laptop.setViewportSize({ width: 600, height: 200 });
await look(laptop, 'readme');
await laptop.setViewportSize({ width: 1280, height: 800 });
const other = laptop.getByRole('listitem').filter({ hasNotText: 'this one' });
await other.getByRole('button').click();
await laptop.getByText('That device is logged out.').waitFor();
assert.equal(await laptop.getByRole('listitem').count(), 1);
await phone.goto(`${url}/notes`);
assert.equal(new URL(phone.url()).pathname, '/account/login', 'the phone is thrown out');

// Several tabs of Bob, and another site that tries to log him out.
const tabs = await Promise.all([1, 2, 3].map(async () => {
  const tab = await one.context().newPage();
  await tab.goto(`${url}/account/devices`);
  return tab.getByRole('listitem').count();
}));
assert.deepEqual(tabs, [2, 2, 2]);
// The tab that is looked at is the one in front.
for (const tab of one.context().pages()) if (tab !== one) await tab.close();
const elsewhere = await one.context().newPage();
await elsewhere.route('http://elsewhere.example/', (route) => route.fulfill({
  contentType: 'text/html',
  body: `<form method=post action="${url}/account/logout"><button>Win</button></form>`,
}));
await elsewhere.goto('http://elsewhere.example/');
const [refused] = await Promise.all([
  elsewhere.waitForResponse((answer) => answer.url().endsWith('/account/logout')),
  elsewhere.getByRole('button').click(),
]);
assert.equal(refused.status(), 403);
await elsewhere.close();
await one.goto(`${url}/account/devices`);
assert.equal(await one.getByRole('listitem').count(), 2, 'nobody was logged out');

// Bob changes his password: the other browser is logged out, this one is not.
await follow(one, one.getByRole('link', { name: 'Change password' }));
await look(one, 'password_tablet');
await fillIn(one, { 'Password now': password, 'New password': 'a new long password' }, 'Change password');
await one.getByText('The password is changed.').waitFor();
await two.goto(`${url}/account/devices`);
assert.equal(new URL(two.url()).pathname, '/account/login');

// An admin looks at everything, on a laptop and on a phone at night.
const admin = await person({ viewport: { width: 1280, height: 800 } });
await admin.goto(`${url}/admin`);
assert.equal(new URL(admin.url()).pathname, '/account/login');
await fillIn(admin, { Name: 'ada', Password: password }, 'Log in');
await admin.waitForURL('**/admin/overview');
await look(admin, 'admin_overview');
await admin.getByText('As a table').first().click();
await admin.getByRole('table').first().waitFor();
await look(admin, 'admin_overview_table');
await follow(admin, admin.getByRole('link', { name: 'People' }));
await admin.getByLabel('Name begins with').fill('BO');
await follow(admin, admin.getByRole('button', { name: 'Search' }));
await look(admin, 'admin_people');
await follow(admin, admin.getByRole('link', { name: 'bob' }));
await fillIn(admin, { 'New role': 'editor' }, 'Add role');
await admin.getByText('The roles are changed.').waitFor();
await look(admin, 'admin_person');
// Bob's last browser is thrown out, and the trail says who it was.
assert.equal(await one.goto(`${url}/notes`).then((answer) => answer.status()), 200);
await admin.getByRole('button', { name: 'End all sessions' }).click();
await admin.getByText('No sessions.').waitFor();
await one.goto(`${url}/notes`);
assert.equal(new URL(one.url()).pathname, '/account/login');
await follow(admin, admin.getByRole('link', { name: 'Show sessions that are over, too' }));
await admin.getByRole('listitem').filter({ hasText: 'all sessions were ended' }).getByRole('link').click();
await admin.getByText('ended with its session: all sessions were ended').first().waitFor();
await look(admin, 'admin_session');
await follow(admin, admin.getByRole('link', { name: 'Events' }));
const newest = admin.getByRole('row').nth(1);
assert.match(await newest.innerText(), /all_revoked\s+bob\s+ada/);
await look(admin, 'admin_events');
await follow(admin, admin.getByRole('link', { name: 'Keys' }));
await look(admin, 'admin_keys');
// Nobody takes the last admin away.
await admin.goto(`${url}/admin/people?q=ada`);
await follow(admin, admin.getByRole('link', { name: 'ada' }));
await admin.getByRole('button', { name: 'Disable' }).click();
await admin.getByRole('alert').waitFor();
const night = await person({ viewport: { width: 360, height: 740 }, colorScheme: 'dark', isMobile: true });
await night.goto(`${url}/admin/`);
await fillIn(night, { Name: 'ada', Password: password }, 'Log in');
await night.waitForURL('**/admin/overview');
for (const name of ['Overview', 'People', 'Events', 'Keys']) {
  await follow(night, night.getByRole('link', { name, exact: true }));
  await look(night, `admin_${name.toLowerCase()}_dark`);
}
// Bob is nobody there.
await fillIn(one, { Name: 'bob', Password: 'a new long password' }, 'Log in');
await one.waitForURL('**/notes');
assert.equal(await one.goto(`${url}/admin/people`).then((answer) => answer.status()), 403);
await look(one, 'refused');
assert.equal(await one.goto(`${url}/account/no/such/page`).then((answer) => answer.status()), 404);
await look(one, 'missing');
await one.getByRole('main').getByRole('link').click();
await one.waitForURL('**/notes');
// The picture of README.
await admin.goto(`${url}/admin/events?person=bob`);
await admin.setViewportSize({ width: 800, height: 200 });
await look(admin, 'readme_admin');

// A small screen, and text that is twice as large.
await admin.setViewportSize({ width: 320, height: 640 });
for (const name of ['overview', 'people', 'events', 'person']) {
  if (name === 'person') {
    await admin.goto(`${url}/admin/people?q=bob`);
    await follow(admin, admin.getByRole('link', { name: 'bob' }));
  } else {
    await admin.goto(`${url}/admin/${name}`);
  }
  await admin.evaluate(() => { document.documentElement.style.fontSize = '200%'; });
  await look(admin, `admin_${name}_large`);
}

// A logout. The way back shows nothing.
await laptop.goto(`${url}/account/logout`);
await look(laptop, 'logout');
await laptop.getByRole('button', { name: 'Log out' }).click();
await laptop.getByText('You are logged out.').waitFor();
await laptop.goBack();
assert.equal(await laptop.getByRole('listitem').count(), 0, 'no page of before is shown');
await laptop.goto(`${url}/account/devices`);
assert.equal(new URL(laptop.url()).pathname, '/account/login');
assert.deepEqual(await laptop.context().cookies(), []);

// Cookies as the browser keeps them.
const cookies = await one.context().cookies();
assert.equal(cookies.length, 2);
for (const cookie of cookies) assert.deepEqual([cookie.httpOnly, cookie.sameSite], [true, 'Lax']);

await browser.close();
assert.deepEqual(problems, [], 'the console is silent');
console.log('ok');
