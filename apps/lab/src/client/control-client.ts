import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { LAB_COMMAND } from '../command-name.ts';
import type { ControlMessage, ControlOperation, ControlResults } from '../control-protocol.ts';
import { LabError } from '../errors.ts';

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: LabError) => void;
  readonly onEvent: ((event: unknown) => void) | undefined;
}

/** One connection to a lab's control socket. */
export class ControlClient {
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #failure: LabError | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#fail(new LabError('LAB_CLOSED', 'the lab has ended')));
    const lines = createInterface({ input: socket });
    lines.on('line', (line) => this.#receive(JSON.parse(line)));
    // It passes on the socket's errors, which are dealt with above.
    lines.on('error', () => undefined);
  }

  /** Connects. Throws LAB_NOT_RUNNING. */
  static open(path: string): Promise<ControlClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      socket.once('connect', () => resolve(new ControlClient(socket)));
      socket.once('error', (cause) =>
        reject(
          new LabError('LAB_NOT_RUNNING', `${path}: no lab answers (start one with \`${LAB_COMMAND} up --keep\`)`, {
            cause,
          }),
        ),
      );
    });
  }

  /** Asks and waits for the result; `onEvent` gets what comes before it. Throws what the lab answers, or LAB_CLOSED. */
  request<O extends ControlOperation>(
    operation: O,
    given: Readonly<Record<string, unknown>> = {},
    onEvent?: (event: unknown) => void,
  ): Promise<ControlResults[O]> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      const settle = (result: unknown): void => {
        if (isResultOf(operation, result)) resolve(result);
        else reject(new LabError('LAB_COMMAND_FAILED', `${operation}: the lab answered nothing`));
      };
      this.#lastId += 1;
      this.#pending.set(this.#lastId, { resolve: settle, reject, onEvent });
      this.#socket.write(`${JSON.stringify({ id: this.#lastId, operation, arguments: given })}\n`);
    });
  }

  /** Resolves when the connection has ended or `signal` aborts. */
  untilClosed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted || this.#failure !== undefined) resolve();
      this.#socket.once('close', () => resolve());
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** Ends the connection; requests under way fail with LAB_CLOSED. Idempotent. */
  close(): void {
    this.#socket.destroy();
  }

  /** Lets the program end although the connection is open. */
  unref(): void {
    this.#socket.unref();
  }

  #receive(message: ControlMessage): void {
    const pending = this.#pending.get(message.id);
    if (pending === undefined) return;
    if ('event' in message) {
      pending.onEvent?.(message.event);
      return;
    }
    this.#pending.delete(message.id);
    if ('error' in message) pending.reject(new LabError(message.error.code, message.error.message));
    else pending.resolve(message.result);
  }

  #fail(failure: LabError): void {
    this.#failure = failure;
    for (const pending of this.#pending.values()) pending.reject(failure);
    this.#pending.clear();
  }
}

/** Both ends are of one program: what matters is that there is a result at all. */
function isResultOf<O extends ControlOperation>(operation: O, result: unknown): result is ControlResults[O] {
  return operation === 'metrics' ? typeof result === 'string' : result !== undefined;
}
