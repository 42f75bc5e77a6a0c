/**
 * Writes the seeds of the corpus anew: attacks, and what `node:http2` says in both roles to a codec of ours.
 * `node --conditions=@ambientmesh/source src/fuzz/record-seeds.ts`
 */
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import { createServer, connect as dialTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FrameType } from '../core/frame.ts';
import type { Role } from '../core/limits.ts';
import { buildAttackSeeds } from './attack-seeds.ts';
import { Behaviour, CodecUser } from './codec-user.ts';
import { cutFrames } from './frames.ts';

const MAX_SEED_BYTES = 4096;
const MAX_BLOCK_BYTES = 255;
const BODY = 'body '.repeat(40);

/** Connects a user of our codec with a socket and keeps what comes. */
function recordUser(role: Role, socket: Socket): { readonly chunks: Buffer[] } {
  const chunks: Buffer[] = [];
  const user = new CodecUser(role, Behaviour.CREDITS_INSIDE | Behaviour.SENDS | Behaviour.LEAVES);
  const flush = () => {
    user.drain();
    socket.write(Buffer.concat(user.output.splice(0)));
  };
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    chunks.push(chunk);
    user.push(chunk, 0, chunk.length);
    flush();
  });
  flush();
  return { chunks };
}

async function recordNodeClient(settings: http2.Settings, padded: boolean): Promise<Buffer> {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const accepted = next<Socket>(listener, 'connection');
  const paddingStrategy = padded ? http2.constants.PADDING_STRATEGY_MAX : http2.constants.PADDING_STRATEGY_NONE;
  const session = http2.connect(`http://127.0.0.1:${portOf(listener.address())}`, { settings, paddingStrategy });
  session.on('error', () => {});
  const socket = await accepted;
  const recording = recordUser('server', socket);
  const tunnel = session.request({ ':method': 'CONNECT', ':authority': '10.0.0.1:80', baggage: 'k8s.cluster.name=K1' });
  const denied = session.request({ ':method': 'CONNECT', ':authority': '10.0.0.2:80' }, { endStream: false });
  const get = session.request({ ':path': '/', cookie: 'a=b', 'x-long': 'v'.repeat(300) });
  for (const stream of [tunnel, denied, get]) stream.on('error', () => {});
  tunnel.write(BODY);
  await once(denied, 'response');
  get.close(http2.constants.NGHTTP2_CANCEL);
  session.settings({ initialWindowSize: 1000 });
  tunnel.end('end');
  session.goaway(0);
  await answered(session);
  session.destroy();
  await once(socket, 'close');
  listener.close();
  return Buffer.concat(recording.chunks);
}

async function recordNodeServer(settings: http2.Settings, padded: boolean): Promise<Buffer> {
  const paddingStrategy = padded ? http2.constants.PADDING_STRATEGY_MAX : http2.constants.PADDING_STRATEGY_NONE;
  const server = http2.createServer({ settings, paddingStrategy });
  server.on('sessionError', () => {});
  let streams = 0;
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    streams += 1;
    if (streams === 2) {
      stream.respond({ ':status': 404 });
      stream.end(BODY);
    } else if (streams === 1) {
      stream.respond({ ':status': 200, baggage: 'k8s.cluster.name=K2' });
      stream.write(BODY);
    } else {
      stream.close(http2.constants.NGHTTP2_CONNECT_ERROR);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sessions = next<http2.ServerHttp2Session>(server, 'session');
  const socket = dialTcp(portOf(server.address()), '127.0.0.1');
  const recording = recordUser('client', socket);
  const session = await sessions;
  await once(server, 'stream');
  await answered(session);
  session.goaway(0);
  await answered(session);
  session.destroy();
  server.close();
  await once(socket, 'close');
  return Buffer.concat(recording.chunks);
}

/** The first argument of the next event, whose type the caller knows. */
async function next<Value>(emitter: NodeJS.EventEmitter, event: string): Promise<Value> {
  const { promise, resolve } = Promise.withResolvers<Value>();
  emitter.once(event, resolve);
  return promise;
}

/** Everything before has arrived and was read. */
async function answered(session: http2.Http2Session): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  session.ping(() => resolve());
  await promise;
}

function portOf(address: ReturnType<ReturnType<typeof createServer>['address']>): number {
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  return address.port;
}

/** The header blocks of a recording, as an input of the hpack target. */
function blocksOf(recording: Uint8Array): Buffer {
  const parts: Uint8Array[] = [Buffer.from([0xfe])];
  for (const { type, flags, payload } of cutFrames(recording).frames) {
    const padding = (flags & 0x08) === 0 ? 0 : payload[0]! + 1;
    const block = payload.subarray(
      (padding > 0 ? 1 : 0) + ((flags & 0x20) === 0 ? 0 : 5),
      payload.length - Math.max(0, padding - 1),
    );
    if (type === FrameType.HEADERS && block.length <= MAX_BLOCK_BYTES) parts.push(Buffer.from([block.length]), block);
  }
  return Buffer.concat(parts);
}

function write(target: string, name: string, input: Uint8Array): void {
  if (input.length > MAX_SEED_BYTES) throw new RangeError(`${target}/${name} has ${input.length} octets`);
  const folder = fileURLToPath(new URL(`../../corpus/${target}`, import.meta.url));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), input);
}

for (const [target, seeds] of buildAttackSeeds()) for (const [name, input] of seeds) write(target, name, input);
for (const padded of [false, true]) {
  const name = padded ? 'padded' : 'plain';
  const settings = padded ? { initialWindowSize: 30, headerTableSize: 0 } : {};
  const fromClient = await recordNodeClient(settings, padded);
  const fromServer = await recordNodeServer(settings, padded);
  const how = Behaviour.CREDITS_INSIDE | Behaviour.SENDS;
  write('server', `node-client-${name}`, Buffer.concat([Buffer.from([how, 5]), fromClient]));
  write('client', `node-server-${name}`, Buffer.concat([Buffer.from([how, 5]), fromServer]));
  write('hpack', `node-client-${name}`, blocksOf(fromClient));
  write('hpack', `node-server-${name}`, blocksOf(fromServer));
}
