import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeReply, type Socks5Event, Socks5Handshake } from './handshake.ts';

const hello = '050100';
const accepted = 'reply 0500';
const name = Buffer.from('productpage');
const byName = `05010003${name.length.toString(16).padStart(2, '0')}${name.toString('hex')}0050`;

function render(event: Socks5Event): string {
  switch (event.kind) {
    case 'reply':
      return `reply ${Buffer.from(event.bytes).toString('hex')}`;
    case 'target':
      return `target ${event.target.kind === 'name' ? event.target.name : event.target.ip} ${event.target.port}`;
    case 'failure':
      return `failure ${event.reply} ${event.message}`;
  }
}

/** What happens to the bytes in `chunks`, what is left over, and what their end adds. */
function run(chunks: readonly Uint8Array[]): { events: string[]; leftover: string; end: string[] } {
  const handshake = new Socks5Handshake();
  const events = chunks.flatMap((chunk) => handshake.push(chunk)).map(render);
  const leftover = Buffer.from(handshake.leftover).toString('hex');
  return { events, leftover, end: handshake.end().map(render) };
}

const cases = [
  { title: 'IPv4', hex: `${hello}050100010ad3020a2329`, events: [accepted, 'target 10.211.2.10 9001'] },
  {
    title: 'IPv6',
    hex: `${hello}05010004fd0000960000000000000000000000200050`,
    events: [accepted, 'target fd00:96::20 80'],
  },
  {
    title: 'IPv6 that is a mapped IPv4',
    hex: `${hello}0501000400000000000000000000ffff0a0000010050`,
    events: [accepted, 'target 10.0.0.1 80'],
  },
  { title: 'a name', hex: hello + byName, events: [accepted, 'target productpage 80'] },
  { title: 'no authentication among others', hex: `050302ff00${byName}`, events: [accepted, 'target productpage 80'] },
  { title: 'version 4', hex: '040100', events: ['failure 7 CommandNotSupported: unsupported version 4'] },
  { title: 'no methods', hex: '0500', events: ['failure 7 CommandNotSupported: methods cannot be zero'] },
  {
    title: 'only authentication',
    hex: '050102',
    events: ['failure 7 CommandNotSupported: only unauthenticated is supported'],
  },
  {
    title: 'version 4 after the methods',
    hex: `${hello}0401`,
    events: [accepted, 'failure 7 CommandNotSupported: unsupported version 4'],
  },
  { title: 'BIND', hex: `${hello}0502`, events: [accepted, 'failure 7 CommandNotSupported: unsupported command 2'] },
  {
    title: 'UDP ASSOCIATE',
    hex: `${hello}050300010ad3020a2329`,
    events: [accepted, 'failure 7 CommandNotSupported: unsupported command 3'],
  },
  {
    title: 'address type 2',
    hex: `${hello}05010002`,
    events: [accepted, 'failure 7 CommandNotSupported: unsupported address type 2'],
  },
  {
    title: 'a name that is no text',
    hex: `${hello}0501000302fffe0050`,
    events: [accepted, 'failure 7 CommandNotSupported: domain is not a valid utf8 string: [255, 254]'],
  },
] as const;

test.each(cases)('$title', ({ hex, events }) => {
  expect(run([Buffer.from(hex, 'hex')]).events).toEqual(events);
});

test('bytes behind the request are left over', () => {
  expect(run([Buffer.from(`${hello}${byName}68656c6c6f`, 'hex')])).toEqual({
    events: [accepted, 'target productpage 80'],
    leftover: '68656c6c6f',
    end: [],
  });
});

test('the end before the request is complete fails, after it does not', () => {
  expect(run([Buffer.from(`${hello}0501000104`, 'hex')]).end).toEqual(['failure 1 General: io error: early eof']);
  expect(run([Buffer.from('04', 'hex')]).end).toHaveLength(1);
  expect(run([Buffer.from('0401', 'hex')]).end).toEqual([]);
});

test('any split of the same bytes gives the same events', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.constantFrom(...cases.map(({ hex }) => Buffer.from(`${hex}00ff`, 'hex'))),
        fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.concat([Buffer.from(hello, 'hex'), bytes])),
        fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      ),
      fc.array(fc.nat(50), { maxLength: 6 }),
      (bytes, cuts) => {
        const edges = [0, ...cuts.filter((cut) => cut <= bytes.length).toSorted((a, b) => a - b), bytes.length];
        const chunks = edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
        const { events, end } = run(chunks);
        const whole = run([bytes]);
        expect([events, end]).toEqual([whole.events, whole.end]);
      },
    ),
  );
});

test('a reply has the bound address 0.0.0.0:0', () => {
  expect(Buffer.from(encodeReply(0)).toString('hex')).toBe('05000001000000000000');
});
