import { expect, test } from 'vitest';
import { bare, type LogLine, renderLine } from './line.ts';
import { renderLogTime } from './log-time.ts';

const time = Date.UTC(2026, 7, 20, 10, 0, 0) + 123.456;

const access: LogLine = {
  time,
  level: 'warn',
  scope: 'access',
  message: 'connection failed',
  fields: [
    ['src.addr', bare('10.244.0.24:46244')],
    ['dst.addr', bare('10.96.1.1:80')],
    ['direction', 'outbound'],
    ['bytes_sent', 490],
    ['error', 'no healthy upstream: 10.96.1.1:80'],
  ],
};

test('§11: an access line in plain form', () => {
  expect(renderLine('plain', access)).toBe(
    '2026-08-20T10:00:00.123456Z\twarn\taccess\tconnection failed\tsrc.addr=10.244.0.24:46244 dst.addr=10.96.1.1:80 direction="outbound" bytes_sent=490 error="no healthy upstream: 10.96.1.1:80"\n',
  );
});

test('§11: the same in JSON', () => {
  expect(renderLine('json', access)).toBe(
    '{"level":"warn","time":"2026-08-20T10:00:00.123456Z","scope":"access","message":"connection failed","src.addr":"10.244.0.24:46244","dst.addr":"10.96.1.1:80","direction":"outbound","bytes_sent":490,"error":"no healthy upstream: 10.96.1.1:80"}\n',
  );
});

test('§12: no fields leave the TAB, spans follow the scope', () => {
  const spans = [
    { name: 'proxy', fields: [['wl', bare('default/pa')] as const] },
    { name: 'drain', fields: [] },
  ];
  const line: LogLine = { time, level: 'info', scope: 'drain', message: 'shutdown complete', fields: [], spans };
  expect(renderLine('plain', line)).toBe(
    '2026-08-20T10:00:00.123456Z\tinfo\tdrain:proxy{wl=default/pa}:drain\tshutdown complete\t\n',
  );
  expect(renderLine('json', line)).toBe(
    '{"level":"info","time":"2026-08-20T10:00:00.123456Z","scope":"ztunnel::drain","message":"shutdown complete","proxy":{"wl":"default/pa"},"drain":{}}\n',
  );
});

test.each([
  { value: 'a"b', text: 'k="a\\"b"' },
  { value: 'a\\b\n', text: 'k="a\\\\b\\n"' },
  { value: '\u001b[31m', text: 'k="\\u{1b}[31m"' },
  { value: bare('a\nb'), text: 'k="a\\nb"' },
  { value: 'é', text: 'k="é"' },
])('a field cannot break its line: $text', ({ value, text }) => {
  const line = renderLine('plain', { time, level: 'info', scope: 'x', message: 'm', fields: [['k', value]] });
  expect(line.split('\t')[4]).toBe(`${text}\n`);
});

test('the time keeps its microseconds across seconds', () => {
  expect(renderLogTime(999.9999)).toBe('1970-01-01T00:00:00.999999Z');
  expect(renderLogTime(1000)).toBe('1970-01-01T00:00:01.000000Z');
  expect(renderLogTime(1000.001)).toBe('1970-01-01T00:00:01.000001Z');
});
