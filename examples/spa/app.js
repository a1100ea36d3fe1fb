// The API is on this site, unless the page names another one.
const site = document.querySelector('meta[name=api]')?.content ?? location.href;
const api = (path) => new URL(path, site).href;
const { Problem, json, login, logout, onChange, user } = await import(api('/auth/client.js'));

const part = (id) => document.getElementById(id);
const say = (text) => (part('said').textContent = text);

/** Shows what this person may see. */
async function show() {
  const me = await user();
  part('stranger').hidden = me !== null;
  part('known').hidden = me === null;
  if (me === null) {
    part('notes').replaceChildren();
    part('add').reset();
    return;
  }
  part('name').textContent = me.name;
  const notes = await json(api('/notes'));
  part('notes').replaceChildren(
    ...notes.map((note) => Object.assign(document.createElement('li'), { textContent: note })),
  );
}

/** Does something, and says what was refused. */
async function attempt(what) {
  say('');
  try {
    await what();
  } catch (error) {
    if (!(error instanceof Problem)) say('The server cannot be reached.');
    // The end of the session is told below.
    else if (error.status !== 401 || error.code === 'invalid_credentials') say(error.message);
  }
}

part('stranger').addEventListener('submit', (event) => {
  event.preventDefault();
  const { username, password } = Object.fromEntries(new FormData(event.target));
  attempt(async () => {
    if (event.submitter?.name === 'register') {
      const headers = { 'content-type': 'application/json' };
      await json(api('/auth/register'), { method: 'POST', headers, body: JSON.stringify({ username, password }) });
    }
    await login(username, password);
    event.target.reset();
  });
});
part('add').addEventListener('submit', (event) => {
  event.preventDefault();
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify(new FormData(event.target).get('text'));
  attempt(async () => {
    await json(api('/notes'), { method: 'POST', headers, body });
    event.target.reset();
    await show();
  });
});
part('logout').addEventListener('click', () => attempt(() => logout()));

// In other tabs too.
onChange((change) => {
  say(change === 'end' ? 'You are logged out.' : '');
  show().catch((error) => say(error.message));
});
await attempt(show);
