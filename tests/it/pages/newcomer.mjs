// Somebody who has never seen the site: they know its address, and read what stands on the screen.
//
// node newcomer.mjs HOME URL: packages in HOME, the program of 20 lines at URL. Prints `ok` at the end.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [home, url] = process.argv.slice(2);
const require = createRequire(join(home, 'package.json'));
const { chromium } = require('playwright-core');

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});
const password = 'through the looking glass';

async function person(userAgent) {
  const context = await browser.newContext({ userAgent });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  await page.goto(url);
  return page;
}
const follow = (page, name) => page.getByRole('link', { name }).first().click();
const press = (page, name) => page.getByRole('button', { name }).first().click();
const heading = (page, name) => page.getByRole('heading', { level: 1, name }).waitFor();

const laptop = await person('Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0');
await heading(laptop, 'Log in');
await follow(laptop, /account/i);
await laptop.getByLabel('Name').fill('ann');
await laptop.getByLabel('Password').fill(password);
await press(laptop, /account/i);
await heading(laptop, 'Home');

const phone = await person('Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1');
await phone.getByLabel('Name').fill('ann');
await phone.getByLabel('Password').fill(password);
await press(phone, 'Log in');
await heading(phone, 'Home');

// Which of these is the phone, and how does one get rid of it?
await follow(laptop, 'Account');
await heading(laptop, /devices/i);
const devices = laptop.getByRole('listitem');
assert.equal(await devices.count(), 2);
await devices.filter({ hasText: /iPhone|iOS|Safari/ }).getByRole('button').click();
await laptop.getByText('That device is logged out.').waitFor();
assert.equal(await devices.count(), 1);
await phone.reload();
await heading(phone, 'Log in');
await laptop.reload();
await heading(laptop, /devices/i);

await browser.close();
console.log('ok');
