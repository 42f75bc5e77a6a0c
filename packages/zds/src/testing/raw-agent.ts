import { listenSeqpacket, type Namespace, type SeqpacketConnection } from '@ambientmesh/netns';
import { encodeRequest } from '../messages.ts';
import { info } from './ztunnel.ts';

/** §2.1: hello of version 1. */
const HELLO = '0801';

/** An agent that says what a test tells it to. */
export async function rawAgent(path: string): Promise<AsyncDisposable & { accept(): Promise<Peer> }> {
  const server = listenSeqpacket(path);
  return {
    async accept() {
      const connection = await server.accept();
      if (connection === undefined) throw new Error('closed');
      const hello = await connection.receive();
      const greeting = Buffer.from(hello?.bytes ?? []).toString('hex');
      if (greeting !== HELLO) throw new Error(`no hello but ${greeting}`);
      return new Peer(connection);
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** A connected ztunnel, as the agent sees it. */
export class Peer {
  readonly connection: SeqpacketConnection;

  constructor(connection: SeqpacketConnection) {
    this.connection = connection;
  }

  /** Sends a packet, returns the answer as hexadecimal text, `eof` at the end. */
  async ask(packet: Uint8Array, fds: readonly number[] = []): Promise<string> {
    await this.connection.send(packet, fds);
    return this.next();
  }

  async next(): Promise<string> {
    const answer = await this.connection.receive();
    return answer === undefined ? 'eof' : Buffer.from(answer.bytes).toString('hex');
  }

  add(uid: string, netns: Namespace): Promise<string> {
    return this.ask(encodeRequest({ type: 'add', uid, info }), [netns.fd]).finally(() => netns.close());
  }
}

/** A positive answer. */
export const OK = '0a00';
/** The request that ends a snapshot. */
export const SNAPSHOT = encodeRequest({ type: 'snapshot-sent' });
const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, value >> 7]);
/** A negative answer. */
export const nack = (error: string): string => {
  const text = Buffer.from(error);
  const inner = Buffer.from([0x0a, ...varint(text.length), ...text]);
  return Buffer.from([0x0a, ...varint(inner.length), ...inner]).toString('hex');
};
