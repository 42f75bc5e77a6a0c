import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Answer, type DecodedPacket, decode, encode, type Packet } from 'dns-packet';

/** What a test's name server answers: a code and records; `silent`: nothing at all; `truncated`: come by TCP. */
export interface NameServerAnswer {
  readonly rcode?: number;
  readonly answers?: readonly Answer[];
  readonly authorities?: readonly Answer[];
  readonly silent?: boolean;
  readonly truncated?: boolean;
}

/** One query as it came in. */
export interface AskedQuestion {
  readonly text: string;
  readonly protocol: 'udp' | 'tcp';
  readonly recursionDesired: boolean;
  readonly hasEdns: boolean;
  readonly peerPort: number;
}

/** A name server on one loopback port, UDP and TCP, for tests. */
export interface TestNameServer extends AsyncDisposable {
  readonly ip: string;
  readonly port: number;
  readonly asked: AskedQuestion[];
}

/** Starts a server that asks `answer` for each question, `name type` in lower case without the last dot. */
export async function startNameServer(answer: (question: string) => NameServerAnswer): Promise<TestNameServer> {
  const asked: AskedQuestion[] = [];
  const respond = (bytes: Buffer, protocol: 'udp' | 'tcp', peerPort: number): Buffer | undefined => {
    const query = decode(bytes);
    const [question] = query.questions ?? [];
    const text = `${question?.name} ${question?.type}`;
    asked.push({
      text,
      protocol,
      recursionDesired: query.flag_rd,
      hasEdns: (query.additionals ?? []).length > 0,
      peerPort,
    });
    const found = answer(text);
    return found.silent === true ? undefined : encode(renderAnswer(query, found, protocol));
  };
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (bytes: Buffer) => {
      const response = respond(bytes.subarray(2), 'tcp', socket.remotePort ?? 0);
      if (response === undefined) return;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(response.length);
      socket.end(Buffer.concat([length, response]));
    });
  });
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const address = tcp.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const udp = createSocket('udp4');
  udp.on('message', (bytes, peer) => {
    const response = respond(bytes, 'udp', peer.port);
    if (response !== undefined) udp.send(response, peer.port, peer.address);
  });
  udp.bind(port, '127.0.0.1');
  await once(udp, 'listening');
  return {
    ip: '127.0.0.1',
    port,
    asked,
    [Symbol.asyncDispose]: async () => {
      udp.close();
      tcp.close();
      await once(tcp, 'close');
    },
  };
}

function renderAnswer(query: DecodedPacket, found: NameServerAnswer, protocol: 'udp' | 'tcp'): Packet {
  const truncated = found.truncated === true && protocol === 'udp';
  const { id = 0, questions = [] } = query;
  return {
    type: 'response',
    id,
    flags: 0x0180 | (found.rcode ?? 0) | (truncated ? 0x0200 : 0),
    questions,
    answers: truncated ? [] : [...(found.answers ?? [])],
    authorities: [...(found.authorities ?? [])],
  };
}
