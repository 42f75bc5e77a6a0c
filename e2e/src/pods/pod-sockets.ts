import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { LabClient } from '@ambientmesh/lab';
import type {
  Answered,
  Connected,
  DriverAnswer,
  DriverOperation,
  Received,
  Sent,
  TlsChoice,
} from './driver-protocol.ts';

const DRIVER = fileURLToPath(new URL('pod-driver.ts', import.meta.url));
const SOURCE_CONDITION = '--conditions=@ambientmesh/source';

/** What a socket in a pod ran into; `code` is the system's (`ECONNREFUSED`). */
export class PodSocketError extends Error {
  override readonly name = 'PodSocketError';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

interface Pending {
  readonly receive: (line: string) => void;
  readonly reject: (error: Error) => void;
}

/** Sockets inside a pod, in the hands of the test: an application of its own. */
export class PodSockets implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  readonly #ended: Promise<void>;
  #lastId = 0;
  #lastSocket = 0;

  /** Starts the application in `pod`; it ends with `close`, `kill` or the lab. */
  constructor(lab: LabClient, pod: string) {
    this.#process = lab.spawnIn(pod, [process.execPath, SOURCE_CONDITION, DRIVER], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const { stdin, stdout } = this.#process;
    if (stdin === null || stdout === null) throw new Error('no pipes to the driver');
    stdin.on('error', () => undefined);
    const lines = createInterface({ input: stdout });
    lines.on('line', (line) => this.#receive(line));
    lines.on('error', () => undefined);
    this.#ended = new Promise((resolve) => {
      this.#process.once('close', () => {
        for (const { reject } of this.#pending.values()) reject(new PodSocketError('DRIVER_ENDED', 'driver has ended'));
        this.#pending.clear();
        resolve();
      });
    });
    this.#process.once('error', () => undefined);
  }

  /** Opens a connection, and says `say` at once. Throws `PodSocketError`. */
  async connect(host: string, port: number, say = ''): Promise<PodConnection> {
    this.#lastSocket += 1;
    const socket = this.#lastSocket;
    const { local } = await this.ask<Connected>({ operation: 'connect', socket, host, port, say });
    return new PodConnection(this, socket, local);
  }

  /** Listens on a port of the pod, over TLS if `tls` is given; who connects is not talked to. Throws `PodSocketError`. */
  async listen(port: number, tls?: TlsChoice): Promise<void> {
    await this.ask({ operation: 'listen', port, ...(tls === undefined ? {} : { tls }) });
  }

  /** Ends `listen`. */
  async unlisten(port: number): Promise<void> {
    await this.ask({ operation: 'unlisten', port });
  }

  /** One HTTP/2 request over TLS on a connection of its own, left open on this side. */
  request(given: Omit<Extract<DriverOperation, { operation: 'request' }>, 'operation'>): Promise<Answered> {
    return this.ask({ operation: 'request', ...given });
  }

  /** For `PodConnection`. */
  ask<Result = null>(operation: DriverOperation): Promise<Result> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      const receive = (line: string): void => {
        const answer: DriverAnswer<Result> = JSON.parse(line);
        if ('error' in answer) reject(new PodSocketError(answer.error.code, answer.error.message));
        else resolve(answer.result);
      };
      this.#pending.set(id, { receive, reject });
      this.#process.stdin?.write(`${JSON.stringify({ id, ...operation })}\n`);
    });
  }

  /** Ends the application as a crash does; the kernel closes its sockets. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }

  /** Ends the application. */
  async close(): Promise<void> {
    this.#process.stdin?.end();
    await this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #receive(line: string): void {
    const { id }: DriverAnswer<unknown> = JSON.parse(line);
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.receive(line);
  }
}

/** One TCP connection of an application in a pod. Nothing is read from it but by `read` and `readToEnd`. */
export class PodConnection {
  /** `ADDRESS:PORT` of this side. */
  readonly local: string;
  readonly #sockets: PodSockets;
  readonly #socket: number;

  constructor(sockets: PodSockets, socket: number, local: string) {
    this.#sockets = sockets;
    this.#socket = socket;
    this.local = local;
  }

  /** Writes text. */
  async write(text: string): Promise<void> {
    await this.#sockets.ask({ operation: 'write', socket: this.#socket, text });
  }

  /** Sends a pattern of that many bytes; resolves with its digest when the kernel has taken (nearly) all. */
  send(bytes: number): Promise<Sent> {
    return this.#sockets.ask({ operation: 'send', socket: this.#socket, bytes });
  }

  /** Reads exactly `bytes` bytes, fewer only at the end. */
  read(bytes: number): Promise<Received> {
    return this.#sockets.ask({ operation: 'read', socket: this.#socket, bytes });
  }

  /** Reads to the end. */
  readToEnd(): Promise<Received> {
    return this.#sockets.ask({ operation: 'read', socket: this.#socket });
  }

  /** Sends text to an echo server and tells what came back. */
  async echo(text: string): Promise<string> {
    await this.write(text);
    return (await this.read(text.length)).text;
  }

  /** FIN. */
  async end(): Promise<void> {
    await this.#sockets.ask({ operation: 'end', socket: this.#socket });
  }

  /** RST. */
  async reset(): Promise<void> {
    await this.#sockets.ask({ operation: 'reset', socket: this.#socket });
  }
}
