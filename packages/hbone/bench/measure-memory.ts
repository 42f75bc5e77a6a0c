import { type Kind, startPair, stopPair } from './measure-tunnel.ts';

/** With fewer the slack of both heaps hides what one costs: 58 to 64 KiB with 100, where it is 69. */
const IDLE_CONNECTIONS = 1000;
/** Those with streams. */
const CONNECTIONS = 100;
const STREAMS = 100;
/** Before the first reading: code is compiled, and the allocator has what a handshake needs for a moment. */
const WARM_CONNECTIONS = 150;
const KIB = 1024;
const MIB = 1_048_576;

/** Resident memory of the server's process. */
export interface MemoryCost {
  readonly kibAConnection: number;
  readonly kibAStream: number;
  /** Of a process that holds 10,000 idle streams on 100 connections, whole. */
  readonly mibOfTenThousand: number;
}

/** Holds idle connections, then connections with idle streams, and reads what the server's process has resident. */
export async function measureMemory(kind: Kind): Promise<MemoryCost> {
  const whole = await startPair(kind, 0);
  await whole.client.ask('hold', CONNECTIONS, STREAMS);
  const [mibOfTenThousand = Number.NaN] = await whole.server.ask('memory');
  stopPair(whole);
  const pair = await startPair(kind, 0);
  const read = async (): Promise<number> => (await pair.server.ask('memory'))[0] ?? Number.NaN;
  await pair.client.ask('hold', WARM_CONNECTIONS, 1);
  const warm = await read();
  await pair.client.ask('hold', IDLE_CONNECTIONS, 0);
  const connections = await read();
  await pair.client.ask('hold', CONNECTIONS, STREAMS);
  const streams = await read();
  stopPair(pair);
  const connection = (connections - warm) / IDLE_CONNECTIONS;
  return {
    kibAConnection: connection / KIB,
    kibAStream: (streams - connections - CONNECTIONS * connection) / (CONNECTIONS * STREAMS) / KIB,
    mibOfTenThousand: mibOfTenThousand / MIB,
  };
}
