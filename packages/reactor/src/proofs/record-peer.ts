import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, createSecureContext, TLSSocket } from 'node:tls';
import type { CredentialsSource } from '@ambientmesh/hbone';

const HEADER_BYTES = 5;
const TAG_BYTES = 16;
const IV_BYTES = 12;
const HASH_BYTES = 48;
export const ALERT = 21;
export const HANDSHAKE = 22;
export const DATA = 23;
const KEY_UPDATE = 24;

/** A record as it was inside. */
export interface OpenedRecord {
  readonly type: number;
  readonly content: Buffer;
}

/** What of a record is not as it is for data. */
export interface RecordOptions {
  /** Inside, and as it is seen from outside. */
  readonly type?: number;
  readonly outerType?: number;
  readonly version?: number;
  /** Zeros behind the type. */
  readonly padding?: number;
  /** Nothing but padding: no type. */
  readonly typeless?: boolean;
}

/** Key and sequence number of one direction: TLS_AES_256_GCM_SHA384 by node:crypto. RFC 8446 5.2, 7.3 */
class Direction {
  sequence = 0;
  #secret: Buffer;

  constructor(secret: Buffer) {
    this.#secret = secret;
  }

  update(): void {
    this.#secret = expandLabel(this.#secret, 'traffic upd', HASH_BYTES);
    this.sequence = 0;
  }

  seal(inner: Uint8Array, outerType: number, version: number): Buffer {
    const header = Buffer.alloc(HEADER_BYTES);
    header[0] = outerType;
    header.writeUInt16BE(version, 1);
    header.writeUInt16BE(inner.length + TAG_BYTES, 3);
    const cipher = createCipheriv('aes-256-gcm', this.#key, this.#nonce(this.sequence++));
    cipher.setAAD(header);
    return Buffer.concat([header, cipher.update(inner), cipher.final(), cipher.getAuthTag()]);
  }

  /** Empty if it is not of this key and place. */
  open(record: Buffer): Buffer | undefined {
    const decipher = createDecipheriv('aes-256-gcm', this.#key, this.#nonce(this.sequence));
    const end = record.length - TAG_BYTES;
    if (end <= HEADER_BYTES) return undefined;
    decipher.setAAD(record.subarray(0, HEADER_BYTES)).setAuthTag(record.subarray(end));
    try {
      const inner = Buffer.concat([decipher.update(record.subarray(HEADER_BYTES, end)), decipher.final()]);
      this.sequence++;
      return inner;
    } catch {
      return undefined;
    }
  }

  get #key(): Buffer {
    return expandLabel(this.#secret, 'key', 32);
  }

  #nonce(sequence: number): Buffer {
    const nonce = expandLabel(this.#secret, 'iv', IV_BYTES);
    nonce.writeUInt32BE((nonce.readUInt32BE(IV_BYTES - 4) ^ sequence) >>> 0, IV_BYTES - 4);
    return nonce;
  }
}

/** RFC 8446 7.1, in one block */
function expandLabel(secret: Buffer, label: string, length: number): Buffer {
  const name = `tls13 ${label}`;
  const info = Buffer.concat([Buffer.of(0, length, name.length), Buffer.from(name), Buffer.of(0, 1)]);
  return createHmac('sha384', secret).update(info).digest().subarray(0, length);
}

/**
 * One end of TLS 1.3 whose handshake is Node's, and whose records are made here one by one once it has `taken over`: right
 * keys, and what no TLS library sends. For tests.
 */
export class RecordPeer {
  /** What the other end has sent since. */
  readonly heard: OpenedRecord[] = [];
  /** The other end has ended its side, or reset the connection. */
  ended = false;
  readonly #socket: Socket;
  readonly #role: 'client' | 'server';
  readonly #tls: TLSSocket;
  readonly #tap: Duplex;
  readonly #secrets = new Map<string, Buffer>();
  #said: Buffer[] = [];
  #unread = Buffer.alloc(0);
  #out: Direction | undefined;
  #in: Direction | undefined;

  constructor(role: 'client' | 'server', socket: Socket, { chainPem, privateKeyPem }: CredentialsSource) {
    this.#role = role;
    this.#socket = socket.setNoDelay(true);
    this.#tap = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        this.#said.push(chunk);
        socket.write(chunk);
        done();
      },
    });
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket
      .on('end', () => (this.ended = true))
      .on('close', () => (this.ended = true))
      .on('error', () => {});
    const options = { cert: chainPem, key: privateKeyPem, rejectUnauthorized: false, ALPNProtocols: ['h2'] };
    this.#tls = role === 'client' ? connect({ ...options, socket: this.#tap }) : server(this.#tap, options);
    this.#tls.on('error', () => {}).on('keylog', (line: Buffer) => this.#note(line.toString()));
    // Behind all that the handshake sends, tickets included.
    const marker = (): void => void this.#tls.write('!');
    this.#tls.once(role === 'client' ? 'secureConnect' : 'secure', marker);
  }

  /** To be called once the other end has received one octet: records are made here from now on. */
  takeOver(): void {
    const own = this.#secrets.get(this.#role);
    const other = this.#secrets.get(this.#role === 'client' ? 'server' : 'client');
    if (own === undefined || other === undefined) throw new Error('no handshake yet');
    this.#out = new Direction(own);
    this.#in = new Direction(other);
    // Tickets and the octet, as they follow what has the keys of the handshake.
    for (const record of split(Buffer.concat(this.#said)).records) this.#out.open(record);
    this.#said = [];
  }

  /** A record, with the next sequence number: `write` it. */
  seal(content: Uint8Array | string, options: RecordOptions = {}): Buffer {
    const { type = DATA, outerType = DATA, version = 0x0303, padding = 0, typeless = false } = options;
    const end = Buffer.alloc((typeless ? 0 : 1) + padding);
    if (!typeless) end[0] = type;
    return this.#out!.seal(Buffer.concat([Buffer.from(content), end]), outerType, version);
  }

  alert(...content: readonly number[]): Buffer {
    return this.seal(Uint8Array.from(content), { type: ALERT });
  }

  message(...content: readonly number[]): Buffer {
    return this.seal(Uint8Array.from(content), { type: HANDSHAKE });
  }

  /** KeyUpdate; what follows has the new key. */
  updateKey(requested = false): Buffer {
    const record = this.message(KEY_UPDATE, 0, 0, 1, requested ? 1 : 0);
    this.#out!.update();
    return record;
  }

  /** The last octet of a KeyUpdate that `message` has begun. */
  finishUpdate(): Buffer {
    const record = this.message(0);
    this.#out!.update();
    return record;
  }

  write(...bytes: readonly Uint8Array[]): void {
    this.#socket.write(Buffer.concat(bytes));
  }

  end(): void {
    this.#socket.end();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Octets that the kernel has not taken. */
  get queued(): number {
    return this.#socket.writableLength;
  }

  close(): void {
    this.#tls.destroy();
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    if (this.#in === undefined) {
      this.#tap.push(chunk);
      return;
    }
    const { records, rest } = split(Buffer.concat([this.#unread, chunk]));
    this.#unread = rest;
    for (const record of records) this.#hear(record);
  }

  #hear(record: Buffer): void {
    const inner = this.#in!.open(record);
    if (inner === undefined) throw new Error(`a record that is not authentic: ${record.toString('hex', 0, 40)}`);
    const end = inner.findLastIndex((octet) => octet !== 0);
    const opened = { type: inner[end] ?? 0, content: inner.subarray(0, end) };
    this.heard.push(opened);
    if (opened.type === HANDSHAKE && opened.content[0] === KEY_UPDATE) this.#in!.update();
  }

  #note(line: string): void {
    const [label, , secret] = line.trim().split(' ');
    const end = /^(CLIENT|SERVER)_TRAFFIC_SECRET_0$/.exec(label ?? '')?.[1]?.toLowerCase();
    if (end !== undefined) this.#secrets.set(end, Buffer.from(secret ?? '', 'hex'));
  }
}

function server(tap: Duplex, options: ConnectionOptions): TLSSocket {
  return new TLSSocket(tap, {
    isServer: true,
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    secureContext: createSecureContext(options),
  });
}

function split(bytes: Buffer): { readonly records: readonly Buffer[]; readonly rest: Buffer<ArrayBuffer> } {
  const records: Buffer[] = [];
  let at = 0;
  while (bytes.length - at >= HEADER_BYTES) {
    const end = at + HEADER_BYTES + bytes.readUInt16BE(at + 3);
    if (end > bytes.length) break;
    records.push(bytes.subarray(at, end));
    at = end;
  }
  return { records, rest: Buffer.from(bytes.subarray(at)) };
}
