import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request } from 'node:http';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { TunnelClient } from '@ambientmesh/hbone';
import { afterEach, expect, test } from 'vitest';
import { soon } from '../testing/soon.ts';
import { listenOnLoopback, loopbackClient, openPair } from '../testing/tunnel-pair.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void) => undos.push(undo);

afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

/** An agent of `node:http` whose connections are tunnels. */
class TunnelAgent extends Agent {
  readonly #client: TunnelClient;

  constructor(client: TunnelClient) {
    super({ keepAlive: true, timeout: 4000, maxSockets: 2 });
    this.#client = client;
  }

  override createConnection(_options: object, created: (error: Error | null, stream: Duplex) => void): undefined {
    this.#client.open('far:80').then(
      (stream) => created(null, stream),
      (error: Error) => created(error, undefined!),
    );
  }
}

test('an http.Agent keeps tunnels alive, time-outs and all', async () => {
  const server = createServer((asked, answer) => {
    asked.setTimeout(3000);
    answer.setTimeout(3000);
    answer.end(`you asked for ${asked.url} from ${asked.socket.remoteAddress} ${asked.socket.remoteFamily}`);
  });
  let tunnels = 0;
  const listener = await listenOnLoopback(cleanup, {
    route: () => ({
      accept: (stream) => {
        tunnels += 1;
        server.emit('connection', stream);
      },
    }),
  });
  const client = loopbackClient(cleanup, listener.port);
  const agent = new TunnelAgent(client);
  const ask = async (path: string): Promise<string> => {
    const asking = request({ agent, host: 'far', path });
    asking.setTimeout(3000);
    asking.setNoDelay(true);
    asking.setSocketKeepAlive(true);
    asking.end();
    const { promise, resolve } = Promise.withResolvers<IncomingMessage>();
    asking.on('response', resolve);
    const answer = await promise;
    answer.setTimeout(3000);
    return text(answer);
  };
  expect(await ask('/1')).toBe('you asked for /1 from 127.0.0.1 IPv4');
  await soon(() => Object.keys(agent.freeSockets).length === 1);
  expect(await ask('/2')).toBe('you asked for /2 from 127.0.0.1 IPv4');
  expect(tunnels).toBe(1);
  agent.destroy();
  await soon(() => client.streamCount === 0);
});

test('a request in a tunnel that says nothing times out', async () => {
  const { near, far } = await openPair(cleanup);
  far.resume();
  const asking = request({ host: 'far', createConnection: () => near }).end();
  asking.setTimeout(10);
  asking.on('error', () => {});
  await once(asking, 'timeout');
  expect(near.destroyed).toBe(false);
  asking.destroy();
  await soon(() => near.closed && far.closed);
});

test('an idle time-out is put off by what is read and written, and told once', async () => {
  const { near, far } = await openPair(cleanup);
  let told = 0;
  expect(near.timeout).toBeUndefined();
  expect(near.setTimeout(300, () => (told += 1)).timeout).toBe(300);
  far.pipe(far);
  near.resume();
  const until = performance.now() + 450;
  while (performance.now() < until) {
    near.write('x');
    await once(near, 'data');
  }
  expect(told).toBe(0);
  await once(near, 'timeout');
  expect([told, near.destroyed]).toEqual([1, false]);
  expect(near.setTimeout(0).timeout).toBe(0);
  expect([near.remoteAddress, near.remotePort, near.remoteFamily]).toEqual([near.remote.ip, near.remote.port, 'IPv4']);
  expect(near.setNoDelay().setKeepAlive().ref().unref()).toBe(near);
});
