import { stringify } from 'yaml';
import { escapeControls } from '../explanation/escape-controls.ts';
import { renderExplanation } from '../explanation/render-explanation.ts';
import type { SuiteResult, TestResult } from './run-suite.ts';

const INDENT = '  ';

/**
 * Results in the Test Anything Protocol, version 13, with YAML diagnostics where a test failed; the tests of several suites
 * one after the other, with the suite's name before theirs. Readers such as Perl's `prove` fail for version 14, which would
 * say the same.
 * @see https://testanything.org/tap-version-13-specification.html
 */
export function renderSuiteTap(results: readonly SuiteResult[]): string {
  const tests = results.flatMap(({ name, tests: inside }) =>
    inside.map((test) => ({ test, suite: results.length > 1 ? `${name}: ` : '' })),
  );
  const points = tests.map(({ test, suite }, index) => renderPoint(test, index + 1, suite));
  return `TAP version 13\n1..${tests.length}\n${points.join('')}`;
}

function renderPoint(test: TestResult, number: number, suite: string): string {
  const title = escapeTitle(`${suite}${test.expectation.name}`);
  if (test.outcome === 'passed') return `ok ${number} - ${title}\n`;
  const { expectation, place, message, decision, explanation } = test;
  const diagnostics = stringify(
    {
      message: escapeControls(message),
      at: escapeControls(place),
      expected: expectation.expect,
      ...(expectation.by === undefined ? {} : { by: expectation.by }),
      actual: decision === undefined ? 'undecided' : decision.allowed ? 'allow' : 'deny',
      ...(decision === undefined ? {} : { code: decision.code }),
      ...(decision?.policy === undefined ? {} : { policy: decision.policy }),
      ...(explanation === undefined ? {} : { explanation: withoutEmptyLines(renderExplanation(explanation)) }),
    },
    { lineWidth: 0 },
  );
  const block = `---\n${diagnostics}...`.replaceAll(/^/gm, INDENT);
  return `not ok ${number} - ${title}\n${block}\n`;
}

/** Parsers that read YAML line by line, such as that of Perl, take an empty one for the end of the text. */
function withoutEmptyLines(text: string): string {
  return text.replaceAll(/\n{2,}/g, '\n');
}

/** A line break would end the test point; `#` would begin a directive, such as `# SKIP`. */
function escapeTitle(text: string): string {
  return escapeControls(text.replaceAll(/\s+/g, ' ').replaceAll(/[\\#]/g, '\\$&'));
}
