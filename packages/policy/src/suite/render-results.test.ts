import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { Policy } from '../policy.ts';
import { readSuite } from './read-suite.ts';
import { renderSuiteJunit } from './render-junit.ts';
import { renderSuiteTap } from './render-tap.ts';
import { renderSuiteText } from './render-text.ts';
import { runSuite, type SuiteResult } from './run-suite.ts';

const DENY: Policy = {
  name: 'lan',
  namespace: 'default',
  scope: 'Namespace',
  action: 'Deny',
  dryRun: false,
  rules: [[[{ sourceIps: [{ address: '10.0.0.0', length: 8 }] }]]],
};

function run(
  name: string,
  titles: { readonly passed: string; readonly failed: string; readonly undecided: string },
): SuiteResult {
  const common = { to: { namespace: 'default', labels: { app: 'web' } }, port: 80, expect: 'allow' };
  const suite = readSuite({
    tests: [
      { ...common, name: titles.passed, from: { ip: '11.0.0.1' } },
      { ...common, name: titles.failed, from: { ip: '10.0.0.1' }, by: 'default/x' },
      { ...common, name: titles.undecided, from: { plaintext: true } },
    ],
  });
  return runSuite(suite, { policies: [DENY], policiesOf: () => [] }, { name });
}

/** Half surrogates, too; fast-check's own `binary` takes a second to make. */
const anyCodeUnit = fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit));
const TITLES = { passed: 'one', failed: 'two', undecided: 'three' };
const MESSAGE = 'expected allow, but it is denied: explicitly denied by: default/lan';
const GAP = 'cannot be decided: default/lan asks for the source address, and a client in plain text has no ip';

test('text: one line a test, and why one failed', () => {
  const text = renderSuiteText([run('a.yaml', TITLES), run('b.yaml', TITLES)]);
  expect(text.split('\n').filter((line) => line !== '' && !/^ {8}/.test(line))).toEqual([
    'a.yaml',
    '  ok    one',
    '  FAIL  two',
    '  ??    three',
    'b.yaml',
    '  ok    one',
    '  FAIL  two',
    '  ??    three',
    '2 passed, 2 failed, 2 undecided',
  ]);
  expect(text).toContain(`  FAIL  two\n        ${MESSAGE}\n        at tests[1]\n        DENIED`);
  expect(text).toContain(`  ??    three\n        ${GAP}\n        at tests[2]\n`);
});

test('text: names neither forge lines nor steer the terminal', () => {
  const evil = 'x\r\n  ok    forged\u001b[2J\u0007\u009b\u2028\u202e';
  const text = renderSuiteText([run(evil, { passed: evil, failed: evil, undecided: evil })]);
  expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u);
  expect(text).not.toMatch(/^ {2}ok {4}forged/m);
  expect(text).toContain('  FAIL  x\\u000d\\u000a  ok    forged\\u001b[2J\\u0007\\u009b\\u2028\\u202e\n');
});

describe('TAP', () => {
  test('points with YAML diagnostics', () => {
    const lines = renderSuiteTap([run('a.yaml', TITLES)]).split('\n');
    expect(lines.filter((line) => !line.startsWith(' '))).toEqual([
      'TAP version 13',
      '1..3',
      'ok 1 - one',
      'not ok 2 - two',
      'not ok 3 - three',
      '',
    ]);
    const [failed, undecided] = diagnosticsOf(lines);
    expect(failed).toMatchObject({
      message: MESSAGE,
      at: 'tests[1]',
      expected: 'allow',
      by: 'default/x',
      actual: 'deny',
      code: 'DENIED',
      policy: 'default/lan',
      explanation: expect.stringContaining('DENIED'),
    });
    expect(undecided).toEqual({ message: GAP, at: 'tests[2]', expected: 'allow', actual: 'undecided' });
  });

  test('several suites are one list', () => {
    const text = renderSuiteTap([run('a.yaml', TITLES), run('b.yaml', TITLES)]);
    expect(text).toContain('1..6\n');
    expect(text).toContain('\nok 4 - b.yaml: one\n');
  });

  test('a title cannot be read as a directive, nor as another line', () => {
    const text = renderSuiteTap([run('a', { ...TITLES, failed: 'two # SKIP \\ x\nok 9' })]);
    expect(text).toContain('\nnot ok 2 - two \\# SKIP \\\\ x ok 9\n');
    const evil = renderSuiteTap([run('a', { ...TITLES, passed: 'x\u0007\u001b[2J\u009b\u202e' })]);
    expect(evil).toContain('\nok 1 - x\\u0007\\u001b[2J\\u009b\\u202e\n');
  });
});

function diagnosticsOf(lines: readonly string[]): readonly unknown[] {
  const blocks: string[][] = [];
  for (const line of lines) {
    if (line === '  ---') blocks.push([]);
    else if (line.startsWith('  ') && line !== '  ...') blocks.at(-1)?.push(line.slice(2));
  }
  return blocks.map((block) => parse(block.join('\n')));
}

describe('JUnit', () => {
  test('failures and errors are apart', () => {
    const xml = renderSuiteJunit([run('a.yaml', TITLES)]);
    expect(xml).toContain('<testsuites tests="3" failures="1" errors="1">\n');
    expect(xml).toContain('<testsuite name="a.yaml" tests="3" failures="1" errors="1" skipped="0">\n');
    expect(xml).toContain('<testcase name="one" classname="a.yaml"/>\n');
    expect(xml).toContain(`<failure message="${MESSAGE}" type="failed">${MESSAGE}\nat tests[1]\nDENIED`);
    expect(xml).toContain(`<error message="${GAP}" type="undecided">${GAP}\nat tests[2]</error>`);
  });

  test.each([
    ['<a & "b">', '&lt;a &amp; &#34;b&#34;&gt;'],
    ["it's", "it's"],
    ['tab\tline\nreturn\r', 'tab&#9;line&#10;return&#13;'],
    ['nul\u0000 esc\u001b', 'nul\uFFFD esc\uFFFD'],
    ['half \uD800 \uFFFE', 'half \uFFFD \uFFFD'],
    ['ünïcode 🙂', 'ünïcode 🙂'],
  ])('escapes %j', (title, escaped) => {
    const xml = renderSuiteJunit([run('a', { ...TITLES, passed: title })]);
    expect(xml).toContain(`<testcase name="${escaped}" classname="a"/>`);
  });

  test('is well formed whatever the names are', () => {
    const title = fc.string({ unit: anyCodeUnit, minLength: 1 });
    fc.assert(
      fc.property(title, title, (name, failed) => {
        expect(findFault(renderSuiteJunit([run(name, { ...TITLES, failed })]))).toBeUndefined();
      }),
      { numRuns: 100 },
    );
  });
});

/** XML 1.0 as far as it is written here: tags that close in order, quoted attributes, text with references, allowed characters. */
function findFault(xml: string): string | undefined {
  if (!xml.isWellFormed() || /[^\t\n\r\u0020-\uFFFD]/.test(xml)) return 'forbidden characters';
  const text = String.raw`[^<>&\r]+|&(?:amp|lt|gt|#\d+);`;
  const attribute = String.raw` [a-z]+="(?:[^<>&"\t\n\r]|&(?:amp|lt|gt|#\d+);)*"`;
  const token = new RegExp(`<(?<closing>/?)(?<name>[a-z]+)(?:${attribute})*(?<empty>/?)>|${text}`, 'y');
  const open: string[] = [];
  token.lastIndex = '<?xml version="1.0" encoding="UTF-8"?>'.length;
  while (token.lastIndex < xml.length) {
    const at = token.lastIndex;
    const found = token.exec(xml);
    if (found === null) return `not well formed at ${xml.slice(at, at + 80)}`;
    const { closing, name, empty } = found.groups ?? {};
    if (name === undefined || empty === '/') continue;
    if (closing !== '/') open.push(name);
    else if (open.pop() !== name) return `${name} closes another`;
  }
  return open.length === 0 ? undefined : `${open.join()} left open`;
}
