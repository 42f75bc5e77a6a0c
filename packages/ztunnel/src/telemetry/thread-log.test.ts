import type { Engine } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { ThreadLog } from './thread-log.ts';

/** A log whose flush the test calls for; `written`: what has left, without the time. */
function createLog() {
  const due: (() => void)[] = [];
  const written: string[] = [];
  const engine: Pick<Engine, 'after'> = {
    after: (_ms, callback) => {
      due.push(callback);
      return { cancel: () => undefined };
    },
  };
  const log = new ThreadLog({ engine, format: 'plain', write: (text) => written.push(text) });
  const line = (message: string): void => log.line({ level: 'info', scope: 'access', message, fields: [] });
  return { log, line, written, due };
}

const messagesOf = (texts: readonly string[]): (string | undefined)[] =>
  texts
    .join('')
    .split('\n')
    .slice(0, -1)
    .map((text) => text.split('\t')[3]);

test('lines leave together, in order, after a time; then the next ones do', () => {
  const { line, written, due } = createLog();
  for (const message of ['a', 'é', '🦊']) line(message);
  expect([written, due.length]).toEqual([[], 1]);
  due[0]?.();
  line('b');
  due[1]?.();
  expect([written.length, messagesOf(written)]).toEqual([2, ['a', 'é', '🦊', 'b']]);
});

test('a lot does not wait for the time, and a line may be longer than what waits together', () => {
  const { log, line, written } = createLog();
  const messages = Array.from({ length: 100 }, (_, index) => `${index}${'x'.repeat(1000)}`);
  for (const message of messages) line(message);
  expect(written.length).toBeGreaterThan(0);
  const long = '€'.repeat(100_000);
  line(long);
  line('after');
  log.flush();
  expect(messagesOf(written)).toEqual([...messages, long, 'after']);
});

test('nothing to say: nothing is written', () => {
  const { log, written } = createLog();
  log.flush();
  expect(written).toEqual([]);
});
