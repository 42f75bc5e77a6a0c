import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type Cancellable, createNodeEngine, type Plain, type SocketAddress } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import type { LookupResult } from '../dns/lookup.ts';
import { acceptSocks5, HANDSHAKE_TIMEOUT_MS, type Socks5Owner } from './socks5.ts';

const hello = '050100';
const refused = (code: string): string => `05${code}0001000000000000`;

interface Outcome {
  readonly target?: SocketAddress;
  readonly leftover?: string;
  readonly failure?: string;
}

interface Talk extends Disposable {
  readonly client: Socket;
  readonly outcome: Promise<Outcome>;
  readonly negotiation: Cancellable;
  readonly deadlines: (() => void)[];
}

/** A client whose connection was accepted by the code under test; what reaches a target is echoed. */
async function start(resolve?: Socks5Owner['resolve'] | 'none'): Promise<Talk> {
  const engine = createNodeEngine();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const client = connect(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1');
  client.on('error', () => undefined);
  const [[accepted]] = await Promise.all([once(server, 'connection'), once(client, 'connect')]);
  server.close();
  const { promise, resolve: settle } = Promise.withResolvers<Outcome>();
  const deadlines: (() => void)[] = [];
  const negotiation = acceptSocks5(engine.adopt(accepted), {
    engine: {
      after: (ms, callback) => {
        expect(ms).toBe(HANDSHAKE_TIMEOUT_MS);
        deadlines.push(callback);
        return { cancel: () => deadlines.splice(deadlines.indexOf(callback), 1) };
      },
    },
    resolve: resolve === 'none' ? undefined : (resolve ?? ((name, family, done) => done(answers(name, family)))),
    onTarget: (plain, target, leftover) => {
      plain.write(leftover, 0, leftover.length);
      echo(plain);
      settle({ target, leftover: Buffer.from(leftover).toString() });
    },
    onFailure: (failure) => settle({ failure }),
  });
  return { client, outcome: promise, negotiation, deadlines, [Symbol.dispose]: () => client.destroy() };
}

function answers(name: string, family: 4 | 6): LookupResult {
  return name === 'web' && family === 4 ? { ip: '10.96.0.20' } : { failure: 'dns lookup: response code 3' };
}

function echo(plain: Plain): void {
  const readable = (): void => {
    while (plain.read(1024, { bytes: (memory, from, to) => plain.write(memory, from, to) }) > 0);
  };
  plain.handler = { readable, written: () => undefined, failed: () => undefined };
  readable();
}

/** Resolves when the socket is gone, however that came. */
async function closed(client: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    client.once('close', () => resolve());
    client.resume();
  });
}

async function receive(client: Socket, bytes: number): Promise<string> {
  let hex = '';
  while (hex.length < bytes * 2) {
    const [chunk] = await once(client, 'data');
    hex += Buffer.from(chunk).toString('hex');
  }
  return hex;
}

test('an address: success before anything else, then the bytes go through', async () => {
  using talk = await start();
  talk.client.write(Buffer.from(hello, 'hex'));
  expect(await receive(talk.client, 2)).toBe('0500');
  talk.client.write(Buffer.from('050100010ad3020a2329', 'hex'));
  expect(await receive(talk.client, 10)).toBe(refused('00'));
  expect(await talk.outcome).toEqual({ target: { ip: '10.211.2.10', port: 9001 }, leftover: '' });
  talk.client.write('hi');
  expect(await receive(talk.client, 2)).toBe(Buffer.from('hi').toString('hex'));
  expect(talk.deadlines).toEqual([]);
});

test('a name, everything in one piece with the first bytes for the target', async () => {
  using talk = await start();
  talk.client.write(Buffer.concat([Buffer.from(`${hello}05010003037765620050`, 'hex'), Buffer.from('GET')]));
  expect(await receive(talk.client, 15)).toBe(`0500${refused('00')}${Buffer.from('GET').toString('hex')}`);
  expect(await talk.outcome).toEqual({ target: { ip: '10.96.0.20', port: 80 }, leftover: 'GET' });
});

test.each([
  {
    title: 'a name that is not found',
    hex: `${hello}05010003036e6f770050`,
    sent: `0500${refused('04')}`,
    failure: 'HostUnreachable: dns lookup: response code 3',
  },
  { title: 'version 4', hex: '040100', sent: refused('07'), failure: 'CommandNotSupported: unsupported version 4' },
])('$title is refused and closed', async ({ hex, sent, failure }) => {
  using talk = await start();
  talk.client.write(Buffer.from(hex, 'hex'));
  expect(await receive(talk.client, sent.length / 2)).toBe(sent);
  await closed(talk.client);
  expect(await talk.outcome).toEqual({ failure });
});

test('names without a DNS proxy are refused', async () => {
  using bare = await start('none');
  bare.client.write(Buffer.from(`${hello}05010003037765620050`, 'hex'));
  expect(await receive(bare.client, 12)).toBe(`0500${refused('07')}`);
  expect(await bare.outcome).toEqual({
    failure: 'CommandNotSupported: unsupported hostname lookup, requires DNS enabled',
  });
});

test('the end in the middle is answered with a general failure', async () => {
  using talk = await start();
  talk.client.end(Buffer.from(`${hello}0501`, 'hex'));
  expect(await receive(talk.client, 12)).toBe(`0500${refused('01')}`);
  expect(await talk.outcome).toEqual({ failure: 'General: io error: early eof' });
});

test('too slow: cut off', async () => {
  using talk = await start();
  for (const expire of talk.deadlines) expire();
  expect(await talk.outcome).toEqual({ failure: 'General: io error: timed out' });
  await closed(talk.client);
});

test('called off while a name is looked up: cut off, and the late answer changes nothing', async () => {
  const late: ((result: LookupResult) => void)[] = [];
  using talk = await start((_name, _family, done) => {
    late.push(done);
  });
  talk.client.write(Buffer.from(`${hello}05010003037765620050`, 'hex'));
  expect(await receive(talk.client, 2)).toBe('0500');
  talk.negotiation.cancel();
  await closed(talk.client);
  for (const done of late) done({ ip: '10.0.0.1' });
  expect(late).toHaveLength(1);
  expect(await Promise.race([talk.outcome, Promise.resolve('nothing')])).toBe('nothing');
});
