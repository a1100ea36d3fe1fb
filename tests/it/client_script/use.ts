// What the types of the client script allow, and what they refuse.
import { type Change, Problem, type User, fetch, json, login, logout, onChange, user } from './client.js';

interface Note {
  text: string;
}

const ann: User = await login('ann', 'through the looking glass', { device_id: 'phone' });
const name: string | undefined = ann.name;
const me: User | null = await user();
const notes: Note[] = await json<Note[]>('/notes', { method: 'GET' });
const answer: Response = await fetch(new URL('/notes', location.href));
const stop: () => void = onChange((change: Change) => console.log(change, name, me?.roles[0], notes[0]?.text, answer.status));
stop();
try {
  await logout({ everywhere: true });
} catch (error) {
  if (error instanceof Problem && error.code === 'rate_limited') console.log(error.status + 1, error.body['detail']);
}
const refusal: Problem = new Problem({ code: 'mine' }, 400);
console.log(refusal.code);
// @ts-expect-error a status is a number
new Problem({}, 'bad');
// @ts-expect-error a login needs a password
await login('ann');
// @ts-expect-error there is no such change
onChange((change: 'nothing') => console.log(change));
