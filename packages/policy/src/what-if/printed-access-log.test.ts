import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAccessLog } from './access-log.ts';

const TIME = '2026-08-20T10:00:00.123456Z';

function printJson(fields: readonly (readonly [string, string])[]): string {
  return `${JSON.stringify({ level: 'info', time: TIME, scope: 'access', message: 'connection complete', ...Object.fromEntries(fields) })}\n`;
}

function show(host: string, number: number): string {
  return host.includes(':') ? `[${host}]:${number}` : `${host}:${number}`;
}

describe('everything that the proxy can print', () => {
  // The rules of packages/ztunnel/src/log/line.ts, written down once more: policy does not import them.
  // oxlint-disable-next-line no-control-regex -- these are the ones to find
  const escapable = /["\\\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;
  const names: Record<string, string> = {
    '"': '\\"',
    '\\': '\\\\',
    '\n': '\\n',
    '\r': '\\r',
    '\t': '\\t',
    '\0': '\\0',
  };
  const quote = (text: string): string =>
    `"${text.replace(escapable, (one) => names[one] ?? `\\u{${one.charCodeAt(0).toString(16)}}`)}"`;
  const printPlain = (fields: readonly (readonly [string, string])[]): string =>
    `${TIME}\tinfo\taccess\tconnection complete\t${fields
      .map(([key, value]) => `${key}=${key.endsWith('addr') || key.startsWith('bytes') ? value : quote(value)}`)
      .join(' ')}\n`;
  /** Control characters, quotes and half surrogates, too; fast-check's own `binary` takes a second to make. */
  const unit = fc.oneof(
    fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
    fc.integer({ min: 0, max: 0xa0 }).map((code) => String.fromCharCode(code)),
  );
  const text = fc.string({ unit, minLength: 1, maxLength: 12 });
  const label = fc.string({
    unit: fc.constantFrom('a', 'b', 'z', '0', '9', '-', '.', '_'),
    minLength: 1,
    maxLength: 12,
  });
  const ip = fc.oneof(
    fc.ipV4(),
    fc.ipV6().filter((v6) => !/^[\d:]*:ffff:|\./i.test(v6)),
  );
  const port = fc.integer({ min: 0, max: 65_535 });
  const host = fc.string({ unit: fc.constantFrom('a', 'b', '.', '"', '=', '\\', "'"), minLength: 1, maxLength: 8 });
  const record = fc.record({
    source: ip,
    destination: ip,
    sourcePort: port,
    target: fc.option(fc.record({ host: fc.option(host, { nil: undefined }), port }), { nil: undefined }),
    port,
    sourceName: fc.option(text, { nil: undefined }),
    identity: fc.option(fc.record({ trustDomain: label, namespace: label, serviceAccount: label }), { nil: undefined }),
    service: fc.option(text, { nil: undefined }),
    name: text,
    namespace: text,
    error: fc.option(text, { nil: undefined }),
  });

  test.each([
    ['plain', printPlain],
    ['JSON', printJson],
  ])('is read again: %s', (_form, print) => {
    fc.assert(
      fc.property(record, (facts) => {
        const { target, identity } = facts;
        const authority =
          target &&
          (target.host === undefined ? show(facts.destination, target.port) : `${target.host}:${target.port}`);
        const fields: (readonly [string, string | undefined])[] = [
          ['src.addr', show(facts.source, facts.sourcePort)],
          ['src.workload', facts.sourceName],
          [
            'src.identity',
            identity && `spiffe://${identity.trustDomain}/ns/${identity.namespace}/sa/${identity.serviceAccount}`,
          ],
          ['dst.addr', show(facts.destination, target === undefined ? facts.port : 15_008)],
          ['dst.hbone_addr', authority],
          ['dst.service', facts.service],
          ['dst.workload', facts.name],
          ['dst.namespace', facts.namespace],
          ['direction', 'inbound'],
          ['bytes_sent', '1'],
          ['error', facts.error],
        ];
        const line = print(fields.filter((field): field is readonly [string, string] => field[1] !== undefined));
        const log = parseAccessLog(line);
        expect(log.unreadable.first).toEqual([]);
        expect(log.connections).toEqual([
          {
            line: 1,
            time: TIME,
            workload: { namespace: facts.namespace, name: facts.name },
            connection: {
              identity,
              sourceIp: facts.source,
              destinationIp: facts.destination,
              destinationPort: target?.port ?? facts.port,
            },
            portUncertain: target?.host !== undefined,
            tunnelTarget: authority,
            recorded: { outcome: 'allowed' },
          },
        ]);
      }),
      { numRuns: 300 },
    );
  });

  test('anything else does not throw, and every line is counted once', () => {
    const piece = fc.constantFrom(
      '\t',
      '\n',
      '"',
      '\\',
      '=',
      ' ',
      'access',
      TIME,
      'info',
      'connection complete',
      '{',
      '}',
      '{"log":"',
      '\\n"}',
      'src.addr',
      ':',
      '[',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 30 }), (pieces) => {
        const content = pieces.join('');
        const { connections, unreadable, skipped } = parseAccessLog(content);
        const lines = content.split('\n').length - (content === '' || content.endsWith('\n') ? 1 : 0);
        expect(connections.length + unreadable.count + skipped.outbound + skipped.early + skipped.other).toBe(lines);
      }),
      { numRuns: 500 },
    );
  });
});
