import { expect, test, vi } from 'vitest';
import type { StateChange, ToDataThread } from '../data-plane/protocol.ts';
import { createLogBacklog } from '../log/log-backlog.ts';
import { ChangeParts } from './change-parts.ts';
import { ThreadFeed } from './thread-feed.ts';

/** A thread that takes its time: it answers when told. */
function slow() {
  const posted: ToDataThread[] = [];
  const thread = {
    post: (message: ToDataThread) => void posted.push(message),
    logBacklog: createLogBacklog(),
    onMessage: () => undefined,
    terminate: () => Promise.resolve(),
  };
  const feed = new ThreadFeed(thread);
  const said = (): string[] => posted.map(brief);
  /** Answers, and waits for what is said then. */
  const answer = async (): Promise<void> => {
    const before = posted.length;
    feed.taken();
    await new Promise(setImmediate);
    expect(posted.length - before).toBeLessThanOrEqual(4);
  };
  return { feed, said, answer };
}

function brief(message: ToDataThread): string {
  if (message.type === 'batch' || message.type === 'batch-part')
    return `${message.type} ${message.changes.map((change) => ('key' in change ? change.key : '')).join(' ')}`;
  return 'uid' in message ? `${message.type} ${message.uid}` : message.type;
}

/** Parts of one change each. */
function parts(...keys: string[]): ChangeParts {
  const changes = keys.map((key): StateChange => ({ type: 'policy-removed', key }));
  const made = new ChangeParts(changes);
  vi.spyOn(made, 'part').mockImplementation((number) => ({
    changes: changes.slice(number, number + 1),
    last: number >= changes.length - 1,
  }));
  return made;
}

const stop = (uid: string): ToDataThread => ({ type: 'pod-stop', uid });

test('the next part is sent when the one before was taken, and the batch is in force after the last', async () => {
  const { feed, said, answer } = slow();
  let inForce: boolean | undefined;
  const applied = feed.apply(parts('a', 'b', 'c')).then((taken) => (inForce = taken));
  expect(said()).toEqual(['batch-part a']);
  await answer();
  expect(said()).toEqual(['batch-part a', 'batch-part b']);
  await answer();
  expect(said()).toEqual(['batch-part a', 'batch-part b', 'batch c']);
  expect(inForce).toBeUndefined();
  await answer();
  await applied;
  expect(inForce).toBe(true);
});

test('changes come behind a batch that is on its way, in order; pods, drains and the rest do not wait', async () => {
  const { feed, said, answer } = slow();
  const applied = [feed.apply(parts('a', 'b'))];
  feed.post(stop('p1'));
  feed.post({ type: 'report', id: 1 });
  applied.push(feed.apply(parts('c', 'd')));
  feed.post(stop('p2'));
  feed.post({ type: 'policy-removed', key: 'single' });
  feed.post({ type: 'certificate-forgotten', identity: 'i' });
  feed.post({ type: 'drain', deadlineMs: 1 });
  applied.push(feed.apply(parts('e')));
  feed.post({ type: 'service-removed', key: 'last' });
  expect(said()).toEqual(['batch-part a', 'pod-stop p1', 'report', 'pod-stop p2', 'certificate-forgotten', 'drain']);
  for (let i = 0; i < 5; i++) await answer();
  expect(await Promise.all(applied)).toEqual([true, true, true]);
  expect(said().slice(6)).toEqual([
    'batch b',
    'batch-part c',
    'batch d',
    'policy-removed',
    'batch e',
    'service-removed',
  ]);
});

test('without a batch nothing waits', () => {
  const { feed, said } = slow();
  feed.post(stop('p1'));
  expect(said()).toEqual(['pod-stop p1']);
});

test('closed: what was not taken yet is said not to be, and nothing more is sent', async () => {
  const { feed, said, answer } = slow();
  const applied = [feed.apply(parts('a', 'b')), feed.apply(parts('c'))];
  feed.taken();
  feed.close();
  applied.push(feed.apply(parts('d')));
  expect(await Promise.all(applied)).toEqual([false, false, false]);
  await answer();
  expect(said()).toEqual(['batch-part a']);
});
