/** A relay made on a stream that is gone already ends as if the stream had gone a moment later. */
import { type Plain, type PlainHandler, ServerConnection, type ServerStream, TunnelRelay } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { createFakeClockEngine } from '../testing/fake-clock.ts';
import { HeldSecure } from '../testing/held-secure.ts';
import { connectBlock, headers, PREFACE, rstStream, settings, settingsAck } from '../testing/raw-frames.ts';

/** An application that says nothing until told to end. */
class SilentPlain implements Plain {
  handler: PlainHandler = { readable: () => {}, written: () => {}, failed: () => {} };
  readonly local = { ip: '127.0.0.1', port: 1 };
  readonly remote = { ip: '127.0.0.1', port: 2 };
  readonly descriptor = -1;
  readonly queued = 0;
  readonly calls: string[] = [];
  #ended = false;
  #awaited = false;

  read(): number {
    this.#awaited = !this.#ended;
    return this.#ended ? -1 : 0;
  }

  write(): void {
    this.calls.push('write');
  }

  end(): void {
    this.calls.push('end');
  }

  close(): void {
    this.calls.push('close');
  }

  reset(): void {
    this.calls.push('reset');
  }

  /** The application ends its side. */
  finish(): void {
    this.#ended = true;
    if (!this.#awaited) return;
    this.#awaited = false;
    this.handler.readable();
  }
}

interface Rig {
  readonly stream: ServerStream;
  readonly connection: ServerConnection;
  readonly secure: HeldSecure;
  readonly plain: SilentPlain;
  /** Of `finished`. */
  readonly told: (string | undefined)[];
  readonly relay: (applicationReset?: 'end' | 'reset') => TunnelRelay;
  readonly turn: () => Promise<void>;
}

/** An answered stream without a handler. */
function rig(): Rig {
  const engine = createFakeClockEngine();
  const secure = new HeldSecure();
  const streams: ServerStream[] = [];
  const connection = new ServerConnection(engine, secure, {
    request: (asked) => {
      asked.respond(200, [], { last: false });
      streams.push(asked);
    },
    closed: () => {},
  });
  secure.receive(PREFACE, settings(), settingsAck(), headers(1, connectBlock('127.0.0.1:80')));
  const stream = streams[0]!;
  const plain = new SilentPlain();
  const told: (string | undefined)[] = [];
  return {
    stream,
    connection,
    secure,
    plain,
    told,
    relay: (applicationReset = 'end') =>
      new TunnelRelay({
        stream,
        plain,
        first: 'stream',
        applicationReset,
        observer: { fromFirst: () => {}, fromSecond: () => {}, finished: (failure) => void told.push(failure?.text) },
      }),
    turn: async () => {
      await new Promise<void>((resolve) => {
        engine.atEndOfTurn(resolve);
      });
    },
  };
}

/** Ways in which the stream goes. */
const ENDS: Record<string, (rig: Rig) => void> = {
  'RST_STREAM(NO_ERROR)': ({ secure }) => secure.receive(rstStream(1, 0)),
  'RST_STREAM(CANCEL)': ({ secure }) => secure.receive(rstStream(1, 8)),
  'RST_STREAM(INTERNAL_ERROR)': ({ secure }) => secure.receive(rstStream(1, 2)),
  'lost connection': ({ secure }) => secure.handler.failed({ code: 'ECONNRESET', message: 'reset' }),
  'closed connection': ({ secure }) => secure.handler.ended(false),
  abort: ({ connection }) => connection.abort(),
};

const cases = Object.keys(ENDS).flatMap((how) => (['end', 'reset'] as const).map((mode) => ({ how, mode })));

test.each(cases)('$how before the relay is as after it, applicationReset $mode', async ({ how, mode }) => {
  const outcomes: unknown[] = [];
  for (const when of ['before', 'after']) {
    const made = rig();
    if (when === 'before') ENDS[how]!(made);
    const relay = made.relay(mode);
    expect(made.plain.calls).toEqual([]);
    if (when === 'after') ENDS[how]!(made);
    await made.turn();
    const calls = [...made.plain.calls];
    made.plain.finish();
    await made.turn();
    relay.abort();
    expect([made.told.length, made.connection.streamCount]).toEqual([1, 0]);
    outcomes.push([calls, made.plain.calls, made.told]);
    made.connection.abort();
  }
  expect(outcomes[0]).toEqual(outcomes[1]);
});

test('a stream that was given up before: the relay ends, and so does the application', async () => {
  const { stream, connection, relay, plain, told, turn } = rig();
  stream.cancel();
  relay();
  await turn();
  plain.finish();
  await turn();
  expect([told.length, plain.calls]).toEqual([1, ['end', 'close']]);
  connection.abort();
});

test('a relay that is cut in the turn in which it was made tells nothing', async () => {
  const { connection, secure, relay, plain, told, turn } = rig();
  secure.receive(rstStream(1, 8));
  relay().abort();
  await turn();
  expect([told, plain.calls]).toEqual([[], ['close']]);
  connection.abort();
});
