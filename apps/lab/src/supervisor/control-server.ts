import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { ControlMessage, ControlOperation, ControlRequest } from '../control-protocol.ts';
import { asLabError, LabError } from '../errors.ts';

/** What an operation gets: its arguments, a way to send events before its result, and word that the asker has gone. */
export interface OperationContext {
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  emit(event: unknown): void;
}

/** Does one operation; what it resolves to is the result, what it throws goes to the asker as code and text. */
export type Operation = (context: OperationContext) => Promise<unknown>;

/** Serves the lab's control socket: JSON lines, several requests at once on one connection. */
export async function listenControl(
  path: string,
  operations: Readonly<Record<ControlOperation, Operation>>,
): Promise<Server> {
  const server = createServer((socket) => serve(socket, new Map(Object.entries(operations))));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return server;
}

function serve(socket: Socket, operations: ReadonlyMap<string, Operation>): void {
  const gone = new AbortController();
  socket.on('error', () => socket.destroy());
  socket.on('close', () => gone.abort(new LabError('LAB_CLOSED', 'the asker has gone')));
  const send = (message: ControlMessage): void => {
    if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
  };
  const lines = createInterface({ input: socket });
  // It passes on the socket's errors, which are dealt with above.
  lines.on('error', () => undefined);
  lines.on('line', (line) => {
    const request = parseRequest(line);
    if (request === undefined) {
      socket.destroy();
      return;
    }
    answer(request, operations, { gone: gone.signal, send }).catch((error: unknown) => {
      socket.destroy(error instanceof Error ? error : undefined);
    });
  });
}

async function answer(
  request: ControlRequest,
  operations: ReadonlyMap<string, Operation>,
  asker: { readonly gone: AbortSignal; send(message: ControlMessage): void },
): Promise<void> {
  const { id } = request;
  try {
    const operation = operations.get(request.operation);
    if (operation === undefined)
      throw new LabError('LAB_ARGUMENT_INVALID', `the lab has no operation ${request.operation}`);
    const result = await operation({
      arguments: request.arguments,
      signal: asker.gone,
      emit: (event) => asker.send({ id, event }),
    });
    asker.send({ id, result: result ?? null });
  } catch (error) {
    const { code, message } = asLabError(error, 'LAB_COMMAND_FAILED');
    asker.send({ id, error: { code, message } });
  }
}

function parseRequest(line: string): ControlRequest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  return isRequest(value) ? value : undefined;
}

function isRequest(value: unknown): value is ControlRequest {
  return (
    typeof value === 'object' &&
    value !== null &&
    'id' in value &&
    typeof value.id === 'number' &&
    'operation' in value &&
    typeof value.operation === 'string' &&
    'arguments' in value &&
    typeof value.arguments === 'object' &&
    value.arguments !== null
  );
}
