import { expect, test } from 'vitest';
import { Codec } from './codec.ts';
import type { Events } from './contract.ts';
import { FRAME_HEADER_BYTES } from './frame.ts';
import { MIN_CONTROL_ROOM_BYTES } from './limits.ts';
import { CONNECT, OK } from './testing/frames.ts';

const BODY_BYTES = 500;
/** How a reader gives back what it got: at once, or a part of it every round trip. */
const READERS = [
  { reader: 'at once', part: 1 },
  { reader: 'half a round trip later', part: 0.5 },
] as const;

interface Rounds {
  readonly trips: number;
  readonly problems: readonly string[];
}

/** Sends a body from a client to a server with this window for its streams, and counts the round trips. */
function send(windowBytes: number, part: number): Rounds {
  const memory = new Uint8Array(MIN_CONTROL_ROOM_BYTES);
  const problems: string[] = [];
  let unread = 0;
  const quiet: Events = {
    data: (_id, _memory, start, end) => {
      unread += end - start;
    },
    headers: (id) => server.respond(id, OK, false),
    reset: (_id, code) => problems.push(`reset ${code}`),
    goaway: () => {},
    writable: () => {},
    settings: () => {},
    pong: () => {},
    fatal: (_code, message) => problems.push(message),
  };
  const client = new Codec('client', { ...quiet, headers: () => {} });
  const server: Codec = new Codec('server', quiet, { streamWindowBytes: windowBytes });
  const deliver = (from: Codec, to: Codec): void => {
    for (let bytes = 1; bytes > 0; ) {
      bytes = from.control(memory, 0, memory.length);
      to.push(memory, 0, bytes);
    }
  };
  deliver(client, server);
  deliver(server, client);
  deliver(client, server);
  const id = client.request(CONNECT);
  let left = BODY_BYTES;
  let trips = 0;
  for (; left > 0 && problems.length === 0 && trips < BODY_BYTES * 2; trips++) {
    deliver(client, server);
    for (let bytes = Math.min(left, client.budget(id)); bytes > 0; bytes = Math.min(left, client.budget(id))) {
      client.data(memory, 0, id, bytes, false);
      server.push(memory, 0, FRAME_HEADER_BYTES + bytes);
      left -= bytes;
    }
    const taken = Math.ceil(unread * part);
    unread -= taken;
    server.credit(id, taken);
    deliver(server, client);
  }
  return { trips, problems };
}

// A window is a round trip: nothing may wait for more than a quarter of it, and no limit may hit the many updates.
test.each([1, 2, 3, 4, 5, 6, 7].flatMap((windowBytes) => READERS.map((reader) => ({ windowBytes, ...reader }))))(
  'a window of $windowBytes octets, given back $reader, flows at its pace',
  ({ windowBytes, part }) => {
    const { trips, problems } = send(windowBytes, part);
    expect(problems).toEqual([]);
    expect(trips).toBeLessThanOrEqual(Math.ceil(BODY_BYTES / Math.max(1, Math.floor(windowBytes * part))) + 1);
  },
);
