import { Codec, type Events, type Fields } from '@ambientmesh/hbone';

const HEADER_BYTES = 9;
const BYTES_A_ROUND = 1_000_000_000;
const FRAMES_A_PUSH = 16;
const SCRATCH_BYTES = 65_536;
const REQUESTS_A_ROUND = 50_000;
const NS_A_MS = 1e6;

const CONNECT: Fields = [
  [':method', 'CONNECT'],
  [':authority', '10.244.1.17:8080'],
  [
    'baggage',
    'k8s.cluster.name=Kubernetes,k8s.namespace.name=default,k8s.deployment.name=sleep,service.name=sleep,service.version=v1',
  ],
  ['forwarded', 'for="10.244.1.16:43210"'],
  ['traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00'],
];
const OK: Fields = [[':status', '200']];

/** Credits what it is given, as a user with a fast socket does. */
class Sink implements Events {
  codec: Codec | undefined;
  bytes = 0;

  data(...[id, , start, end]: Parameters<Events['data']>): void {
    this.bytes += end - start;
    this.codec?.credit(id, end - start);
  }
  headers(id: number, fields: Fields): void {
    if (fields[0]?.[0] === ':method') this.codec?.respond(id, OK, false);
  }
  reset(): void {}
  goaway(): void {}
  writable(): void {}
  settings(): void {}
  pong(): void {}
  fatal(code: number, message: string): void {
    throw new Error(`fatal ${code}: ${message}`);
  }
}

function nowNs(): number {
  return performance.now() * NS_A_MS;
}

const scratch = new Uint8Array(SCRATCH_BYTES);

function deliver(from: Codec, to: Codec): void {
  for (let bytes = from.control(scratch, 0, SCRATCH_BYTES); bytes > 0; bytes = from.control(scratch, 0, SCRATCH_BYTES))
    to.push(scratch, 0, bytes);
}

function connectPair(): { client: Codec; server: Codec } {
  const clientSink = new Sink();
  const serverSink = new Sink();
  const client = new Codec('client', clientSink);
  const server = new Codec('server', serverSink);
  serverSink.codec = server;
  deliver(client, server);
  deliver(server, client);
  deliver(client, server);
  return { client, server };
}

/** Nanoseconds a frame, received and sent. */
export interface FrameCost {
  readonly inNs: number;
  readonly outNs: number;
}

/** Nanoseconds a frame of `payload` octets, headers written one by one and pushed `FRAMES_A_PUSH` at a time. */
export function measureFrames(payload: number): FrameCost {
  const { client, server } = connectPair();
  const id = client.request(CONNECT);
  deliver(client, server);
  deliver(server, client);
  const size = HEADER_BYTES + payload;
  const memory = new Uint8Array(FRAMES_A_PUSH * size);
  const count = Math.floor(BYTES_A_ROUND / (16_384 * FRAMES_A_PUSH));
  let inNs = 0;
  let outNs = 0;
  for (let push = 0; push < count; push++) {
    const start = nowNs();
    for (let at = 0; at < memory.length; at += size) {
      if (client.budget(id) < payload) throw new Error('window exhausted');
      client.data(memory, at, id, payload, false);
    }
    const written = nowNs();
    server.push(memory, 0, memory.length);
    inNs += nowNs() - written;
    outNs += written - start;
    deliver(server, client);
  }
  return { inNs: inNs / (count * FRAMES_A_PUSH), outNs: outNs / (count * FRAMES_A_PUSH) };
}

/** Nanoseconds a request, both ends: encoded, decoded, answered, ended. */
export function measureRequests(): number {
  const { client, server } = connectPair();
  const start = nowNs();
  for (let request = 0; request < REQUESTS_A_ROUND; request++) {
    const id = client.request(CONNECT);
    deliver(client, server);
    deliver(server, client);
    client.resetStream(id, 0);
    deliver(client, server);
  }
  return (nowNs() - start) / REQUESTS_A_ROUND;
}
