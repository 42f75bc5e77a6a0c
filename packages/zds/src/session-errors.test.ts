import { openSync } from 'node:fs';
import { Namespace } from '@ambientmesh/netns';
import { afterAll, expect, test } from 'vitest';
import { encodeRequest } from './index.ts';
import { nack, OK, rawAgent, SNAPSHOT } from './testing/raw-agent.ts';
import { info, netnsA, openDescriptors, SocketFolder, ztunnel } from './testing/ztunnel.ts';

const folder = new SocketFolder();
afterAll(() => folder[Symbol.dispose]());

/** Recorded answers of the reference ztunnel (vectors zds-errors). */
test.each([
  {
    name: 'add without descriptor',
    packet: encodeRequest({ type: 'add', uid: 'u', info }),
    fds: [],
    problem: 'No control message',
    answer: '0a2e0a2c6661696c75726520746f2072656164206d657373616765203a204e6f20636f6e74726f6c206d657373616765',
  },
  {
    name: 'delete with descriptor',
    packet: encodeRequest({ type: 'delete', uid: 'u' }),
    fds: [0],
    problem: 'Unexpected control message',
    answer:
      '0a360a346661696c75726520746f2072656164206d657373616765203a20556e657870656374656420636f6e74726f6c206d657373616765',
  },
  {
    name: 'not decodable',
    packet: Buffer.from('0801ff', 'hex'),
    fds: [],
    problem:
      'failed to decode Protobuf message: WorkloadRequest.payload: invalid wire type: Varint (expected LengthDelimited)',
    answer:
      '0a8d010a8a016661696c75726520746f2072656164206d657373616765203a206661696c656420746f206465636f64652050726f746f627566206d6573736167653a20576f726b6c6f6164526571756573742e7061796c6f61643a20696e76616c6964207769726520747970653a20566172696e7420286578706563746564204c656e67746844656c696d6974656429',
  },
  {
    name: 'unknown payload number 4',
    packet: Buffer.from('2200', 'hex'),
    fds: [],
    problem: 'no payload',
    answer: '0a260a246661696c75726520746f2072656164206d657373616765203a206e6f207061796c6f6164',
  },
  {
    name: 'longer than 1024',
    packet: Buffer.alloc(1_025, 0x0a),
    fds: [],
    problem: 'received truncated message',
    answer:
      '0a360a346661696c75726520746f2072656164206d657373616765203a207265636569766564207472756e6361746564206d657373616765',
  },
  {
    name: 'two descriptors',
    packet: encodeRequest({ type: 'add', uid: 'u', info }),
    fds: [0, 0],
    problem: 'Expected 1 FD, got 2',
    answer: nack('failure to read message : Expected 1 FD, got 2'),
  },
])(
  '§4: $name: answered, reconnected at once, proxies stay up, no descriptor leaks',
  async ({ packet, fds, problem, answer }) => {
    const path = folder.freshPath();
    await using agent = await rawAgent(path);
    await using tunnel = ztunnel(path);
    const first = await agent.accept();
    expect(await first.add('kept', netnsA())).toBe(OK);
    expect(await first.ask(SNAPSHOT)).toBe(OK);
    const before = openDescriptors();
    const next = agent.accept();
    expect(await first.ask(packet, fds)).toBe(answer);
    expect(await first.next()).toBe('eof');
    first.connection.close();
    const second = await next;
    expect(openDescriptors()).toBe(before);
    expect([...tunnel.proxies.running.keys()]).toEqual(['kept']);
    expect(tunnel.clock.asked).toEqual([]);
    expect(tunnel.readiness).toEqual([true, false]);
    expect(tunnel.lines.slice(-3)).toEqual([
      `error inpod::workloadmanager failed to read message: ${problem}`,
      `warn inpod::workloadmanager process stream ended: ReceiveMessageError(${JSON.stringify(problem)})`,
      'info inpod::workloadmanager handling new stream',
    ]);
    second.connection.close();
  },
);

test('§4: a descriptor that is no network namespace is logged and accepted', async () => {
  const path = folder.freshPath();
  await using agent = await rawAgent(path);
  await using tunnel = ztunnel(path);
  const peer = await agent.accept();
  expect(await peer.add('odd', Namespace.ofDescriptor(openSync(process.execPath, 'r')))).toBe(OK);
  expect(tunnel.lines).toContainEqual(
    expect.stringMatching(/^warn inpod::protocol received descriptor is not a network namespace inode="\d+"$/),
  );
  peer.connection.close();
});

/** Recorded answers of the reference ztunnel (vectors zds-fatal-*). */
test.each([
  {
    name: 'keep after the snapshot',
    reason: 'pod keep received after snapshot',
    packet: encodeRequest({ type: 'keep', uid: 'u' }),
    answer:
      '0a500a4e6661696c75726520746f2070726f63657373206d657373616765203a2050726f746f636f6c4572726f722822706f64206b65657020726563656976656420616674657220736e617073686f742229',
  },
  {
    name: 'second snapshot',
    reason: 'pod snapshot received already',
    packet: SNAPSHOT,
    answer:
      '0a4d0a4b6661696c75726520746f2070726f63657373206d657373616765203a2050726f746f636f6c4572726f722822706f6420736e617073686f7420726563656976656420616c72656164792229',
  },
  {
    name: 'add without info',
    reason: 'workload_info is required but not present',
    packet: encodeRequest({ type: 'add', uid: 'u', info: undefined }),
    fds: [0],
    answer: nack('failure to process message : ProtocolError("workload_info is required but not present")'),
  },
])('§6: $name is fatal, after an answer', async ({ packet, fds, answer, reason }) => {
  const path = folder.freshPath();
  await using agent = await rawAgent(path);
  await using tunnel = ztunnel(path);
  const peer = await agent.accept();
  expect(await peer.ask(SNAPSHOT)).toBe(OK);
  const before = openDescriptors();
  expect(await peer.ask(packet, fds)).toBe(answer);
  expect(await peer.next()).toBe('eof');
  expect(await tunnel.ended).toMatchObject({ name: 'ZdsError', code: 'ZDS_PROTOCOL_FATAL' });
  expect(openDescriptors()).toBe(before - 1);
  expect(tunnel.client.ready).toBe(false);
  expect(tunnel.lines.slice(-2)).toEqual([
    `error inpod::workloadmanager failed to process message: ProtocolError("${reason}")`,
    'error inpod::workloadmanager protocol mismatch error while processing stream, shutting down',
  ]);
  peer.connection.close();
});
