/** A tunnel inside of a tunnel: TLS on a stream of TLS, in the same thread, which share the memory they write to. */
import { type Secure, StreamPlain } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { PatternedEnd } from './patterned-end.ts';
import { dialTunnels, Pump, ReactorSide, serveTunnels, tlsOf } from './side.ts';

/** Of a machine that does much else. */
const PATIENCE = { timeout: 120_000 };

const STREAMS = 5;
const BYTES = 6_000_000;
const CHUNKS = [1, 100, 16_384, 16_385, 65_536, 300_000];
const CONNECT = [
  [':method', 'CONNECT'],
  [':authority', '10.0.0.1:80'],
] as const;

test(`${STREAMS} streams with TLS of their own, ${BYTES} octets both ways in each`, PATIENCE, async () => {
  const side = new ReactorSide();
  const pump = new Pump([side]);
  const { engine } = side;
  const ends: PatternedEnd[] = [];
  const inner = { client: tlsOf(engine, 'inner-client'), server: tlsOf(engine, 'inner-server') };
  const add = (own: number, other: number, make: (end: PatternedEnd) => Secure): void => {
    const end = new PatternedEnd(own, other);
    end.secure = make(end);
    ends.push(end);
  };
  const secures: Secure[] = [];
  let served = 0;
  const port = await serveTunnels(
    side,
    {
      request: (stream) => {
        stream.respond(200, [], { last: false });
        const number = served++;
        const plain = new StreamPlain(engine, stream, secures[0]!);
        add(2 * number + 1, 2 * number, (end) => engine.secureServer(plain, inner.server, end));
      },
      closed: () => {},
    },
    ({ secure }) => secures.push(secure),
  );
  const connection = await pump.wait(dialTunnels(side, port), 'the tunnel');
  for (let number = 0; number < STREAMS; number++)
    connection.open(CONNECT, {
      response: (stream) => {
        const plain = new StreamPlain(engine, stream, connection.secure);
        add(2 * number, 2 * number + 1, (end) => engine.secureClient(plain, inner.client, end));
      },
      failed: (failure) => {
        throw new Error(JSON.stringify(failure));
      },
    });
  await pump.until(
    () => ends.length === 2 * STREAMS && ends.every(({ events }) => events.length > 0),
    'the inner handshakes',
  );
  let turns = 0;
  const send = (): void => {
    for (const [index, end] of ends.entries()) {
      const bytes = Math.min(CHUNKS[(index + turns) % CHUNKS.length]!, BYTES - end.sent);
      if (bytes > 0 && end.secure!.room > 0) end.send(bytes);
    }
  };
  const received = (): number => ends.reduce((sum, end) => sum + end.received, 0);
  const over = (): boolean => received() === 2 * STREAMS * BYTES || ends.some(({ failure }) => failure !== undefined);
  await pump.until(
    () => {
      turns++;
      engine.atEndOfTurn(send);
      return over();
    },
    'all bytes',
    received,
  );
  expect(ends.map(({ failure, wrong, received: bytes }) => [failure, wrong, bytes])).toEqual(
    ends.map(() => [undefined, false, BYTES]),
  );
  for (const { secure } of ends) secure!.close();
  await pump.until(() => ends.every(({ secure }) => secure!.room === 0) && connection.streamCount === 0, 'the ends');
  connection.abort();
  for (const secure of secures) secure.abort();
  side.deafen();
  await pump.until(() => engine.holdings.tlsHandles === 0 && engine.holdings.slabs === 0, 'all given back');
  await pump.until(() => engine.holdings.descriptors === 0, 'descriptors');
  side.close();
});
