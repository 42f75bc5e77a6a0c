import { expect, test } from 'vitest';
import { renderLine } from '../log/line.ts';
import { Accepting, CALM_MS } from './accepting.ts';

const EMFILE = { code: 'EMFILE', message: 'Too many open files (os error 24)' };
const ENOMEM = { code: 'ENOMEM', message: '31 of 32 slabs' };

function start() {
  let text = '';
  const timers = new Set<() => void>();
  let now = 1000;
  const engine = {
    now: () => now,
    after: (ms: number, callback: () => void) => {
      expect(ms).toBe(CALM_MS);
      timers.add(callback);
      return { cancel: () => timers.delete(callback) };
    },
  };
  const accepting = new Accepting(engine, { line: (line) => (text += renderLine('plain', { time: 0, ...line })) });
  const elapse = (ms: number): void => {
    now += ms;
  };
  const calmDown = (): void => {
    elapse(CALM_MS);
    for (const callback of timers) if (timers.delete(callback)) callback();
  };
  /** Without time and scope. */
  const told = (): string[] =>
    text.split('\n').flatMap((line) => (line === '' ? [] : [line.split('\t').toSpliced(2, 1).slice(1).join(' ')]));
  return { accepting, elapse, calmDown, told, timers };
}

const DESCRIPTORS_GONE =
  'warn new connections are not accepted: descriptors are exhausted; those that run go on exhausted="descriptors" ' +
  'error="Too many open files (os error 24)" advice="raise the limit of open files (ulimit -n, LimitNOFILE), or look for ' +
  'clients that leave connections open"';

test('the log is told once an episode, however many listeners it concerns and however often they pause', () => {
  const { accepting, elapse, calmDown, told } = start();
  const [first, second] = [{}, {}];
  expect([accepting.paused(first, EMFILE), accepting.paused(second, EMFILE)]).toEqual([true, true]);
  elapse(2000);
  accepting.resumed(first);
  accepting.paused(first, EMFILE);
  accepting.resumed(second);
  accepting.resumed(first);
  accepting.paused(second, EMFILE);
  accepting.resumed(second);
  expect(told()).toEqual([DESCRIPTORS_GONE]);
  expect(accepting.drain().descriptors).toEqual({ paused: 0, pauses: 4 });
  calmDown();
  expect(told().slice(1)).toEqual(['info new connections are accepted again exhausted="descriptors" lasted_ms=2000']);
  accepting.paused(first, EMFILE);
  expect(told().slice(2)).toEqual([DESCRIPTORS_GONE]);
  expect(accepting.drain()).toEqual({ descriptors: { paused: 1, pauses: 1 }, memory: { paused: 0, pauses: 0 } });
});

test('descriptors and memory are two things; another failure is nobody’s want of anything', () => {
  const { accepting, told, timers } = start();
  const listener = {};
  expect(accepting.paused(listener, { code: 'EINVAL', message: 'Invalid argument' })).toBe(false);
  accepting.resumed(listener);
  expect([told(), timers.size]).toEqual([[], 0]);
  accepting.paused(listener, ENOMEM);
  accepting.paused({}, EMFILE);
  expect(told().map((line) => line.split(' ').slice(0, 7).join(' '))).toEqual([
    'warn new connections are not accepted: memory',
    'warn new connections are not accepted: descriptors',
  ]);
  accepting.resumed(listener);
  expect([accepting.drain().memory.paused, accepting.drain().descriptors.paused, timers.size]).toEqual([0, 1, 1]);
});
