import { expect, test, vi } from 'vitest';
import type { ToDataThread } from '../../data-plane/protocol.ts';
import type { Diagnosis, DiagnosisWanted } from '../../data-plane/thread-diagnosis.ts';
import { ThreadDiagnoses } from '../thread-diagnoses.ts';
import { type Diagnosable, heapPage, profilePage } from './diagnosis-page.ts';

const asked: [number, DiagnosisWanted][] = [];

function threads(diagnosis: Diagnosis): Diagnosable {
  asked.length = 0;
  return {
    threads: 2,
    examine: (thread, wanted) => {
      asked.push([thread, wanted]);
      return Promise.resolve(diagnosis);
    },
  };
}

const at = (query: string): URL => new URL(`http://x/debug/profile${query}`);

test.each([
  { query: '', thread: 0, durationMs: 10_000 },
  { query: '?thread=1&seconds=300', thread: 1, durationMs: 300_000 },
])('profile$query', async ({ query, thread, durationMs }) => {
  expect(await profilePage(at(query), threads({ json: '{}' }))).toEqual({
    status: 200,
    contentType: 'application/json',
    headers: [['content-disposition', `attachment; filename="data-thread-${thread}.cpuprofile"`]],
    body: '{}',
  });
  expect(asked).toEqual([[thread, { kind: 'cpu-profile', durationMs }]]);
});

test.each([
  { query: '?seconds=0', body: 'invalid seconds value; expected 1-300\n' },
  { query: '?seconds=301', body: 'invalid seconds value; expected 1-300\n' },
  { query: '?seconds=x', body: 'invalid seconds value; expected 1-300\n' },
  { query: '?thread=2', body: 'invalid thread value; expected 0-1\n' },
  { query: '?thread=-1', body: 'invalid thread value; expected 0-1\n' },
])('profile$query is refused', async ({ query, body }) => {
  expect(await profilePage(at(query), threads({ json: '' }))).toEqual({ status: 400, contentType: 'text/plain', body });
  expect(asked).toEqual([]);
});

test('heap statistics, and a thread that does not answer', async () => {
  expect(await heapPage(at('?thread=1'), threads({ json: '{"a":1}' }))).toMatchObject({ status: 200, body: '{"a":1}' });
  expect(asked).toEqual([[1, { kind: 'heap' }]]);
  expect(await heapPage(at(''), threads({ failure: 'gone' }))).toMatchObject({ status: 503, body: 'gone\n' });
});

test('the thread that is meant is asked; silence is a failure, and a late answer nothing', async () => {
  vi.useFakeTimers();
  try {
    const posted: [number, ToDataThread][] = [];
    const asker = new ThreadDiagnoses(() => ({
      count: 2,
      postTo: (thread, message) => void posted.push([thread, message]),
    }));
    const first = asker.examine(1, { kind: 'heap' });
    const second = asker.examine(0, { kind: 'cpu-profile', durationMs: 1000 });
    expect(posted).toMatchObject([
      [1, { type: 'diagnose', id: 0 }],
      [0, { type: 'diagnose', id: 1 }],
    ]);
    asker.take({ type: 'diagnosis', id: 0, diagnosis: { json: '1' } });
    expect(await first).toEqual({ json: '1' });
    vi.advanceTimersByTime(3000);
    expect(await second).toEqual({ failure: 'data thread 0 does not answer' });
    asker.take({ type: 'diagnosis', id: 1, diagnosis: { json: '2' } });
  } finally {
    vi.useRealTimers();
  }
});
