import assert from 'node:assert/strict';
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { ConnectionFailure, Plain, Secure, SecureHandler, TlsOptions } from '../../engine.ts';
import { Digest } from './random-bytes.ts';
import { CLIENT, contractAuthorities, type Scene, SERVER } from './scene.ts';
import { WatchedPlain } from './watched-plain.ts';

/** What a `Secure` has said. */
export class SecureLog implements SecureHandler {
  readonly events: string[] = [];
  readonly received = new Digest();
  failure: ConnectionFailure | undefined;
  /** Of `ended`. */
  unannounced: boolean | undefined;

  has(event: string): boolean {
    return this.events.includes(event);
  }
  established(): void {
    this.events.push('established');
  }
  bytes(memory: Uint8Array, start: number, end: number): void {
    if (this.events.length === 0) this.events.push('bytes too early');
    this.received.add(memory, start, end);
  }
  delivered(): void {}
  writable(): void {
    this.events.push('writable');
  }
  ended(unannounced: boolean): void {
    this.events.push('ended');
    this.unannounced = unannounced;
  }
  failed(failure: ConnectionFailure): void {
    this.failure = failure;
    this.events.push('failed');
  }
}

/** One end of a tunnel, and what it has said. */
export interface End {
  readonly secure: Secure;
  readonly log: SecureLog;
}

/** Both ends the engine's, established. `foreign`: on a `Plain` of another making. */
export async function tunnel(scene: Scene, foreign = false): Promise<{ client: End; server: End }> {
  const { dialled, accepted } = await scene.pair();
  const { engine } = scene.harness;
  const [clientLog, serverLog] = [new SecureLog(), new SecureLog()];
  const wrap = (plain: Plain): Plain => (foreign ? new WatchedPlain(plain, scene.watch) : plain);
  const server = { secure: engine.secureServer(wrap(accepted), scene.tls(SERVER), serverLog), log: serverLog };
  const client = { secure: engine.secureClient(wrap(dialled), scene.tls(CLIENT), clientLog), log: clientLog };
  scene.later(() => {
    client.secure.abort();
    server.secure.abort();
  });
  assert.deepEqual([clientLog.events, serverLog.events, client.secure.peerChain], [[], [], []]);
  await scene.until(() => clientLog.has('established') && serverLog.has('established'), 'established');
  return { client, server };
}

/** The engine accepts, Node dials. */
export async function accepting(
  scene: Scene,
  tls: TlsOptions,
  options: ConnectionOptions,
): Promise<End & { peer: TLSSocket; raw: Socket }> {
  const { dialled, accepted } = await acceptedFromNode(scene);
  const log = new SecureLog();
  const secure = scene.harness.engine.secureServer(accepted, tls, log);
  scene.later(() => secure.abort());
  const peer = connect({ socket: dialled, checkServerIdentity: () => undefined, ...options });
  scene.own(peer);
  return { secure, log, peer, raw: dialled };
}

/** Node has dialled, and nobody has said anything. */
export async function acceptedFromNode(scene: Scene): Promise<{ dialled: Socket; accepted: Plain }> {
  const all: Plain[] = [];
  const { port, close } = await scene.harness.listen((plain) => all.push(plain));
  scene.later(close);
  const dialled = scene.own(connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true }));
  await scene.until(() => all.length === 1 && !dialled.connecting, 'accepted');
  return { dialled, accepted: all[0]! };
}

/** A certificate for Node’s TLS. */
export function identity(uri: string, authority = contractAuthorities().trusted): ConnectionOptions {
  const { chainPem, privateKeyPem } = authority.issue(uri);
  const ca = [...contractAuthorities().trusted.issue(uri).rootsPem];
  return { cert: chainPem, key: privateKeyPem, ca, ALPNProtocols: ['h2'] };
}
