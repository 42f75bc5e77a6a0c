import { renderExplanation } from '../explanation/render-explanation.ts';
import type { SuiteResult, TestResult } from './run-suite.ts';

/**
 * Results in the XML that CI systems read as JUnit's: a failure is a test whose verdict is another, an error one that is
 * undecided. There are no times, for nothing is measured.
 */
export function renderSuiteJunit(results: readonly SuiteResult[]): string {
  const total = {
    tests: results.reduce((sum, { tests }) => sum + tests.length, 0),
    failures: results.reduce((sum, { failed }) => sum + failed, 0),
    errors: results.reduce((sum, { undecided }) => sum + undecided, 0),
  };
  const suites = results.map(renderSuite).join('');
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites${attributes(total)}>\n${suites}</testsuites>\n`;
}

function renderSuite({ name, tests, failed, undecided }: SuiteResult): string {
  const head = attributes({ name, tests: tests.length, failures: failed, errors: undecided, skipped: 0 });
  return `  <testsuite${head}>\n${tests.map((test) => renderCase(test, name)).join('')}  </testsuite>\n`;
}

function renderCase({ expectation, outcome, place, message, explanation }: TestResult, suite: string): string {
  const head = `    <testcase${attributes({ name: expectation.name, classname: suite })}`;
  if (outcome === 'passed') return `${head}/>\n`;
  const tag = outcome === 'failed' ? 'failure' : 'error';
  const details = [message, `at ${place}`, explanation && renderExplanation(explanation)];
  const text = escapeText(
    details
      .filter((detail) => detail !== undefined)
      .join('\n')
      .trimEnd(),
  );
  return `${head}>\n      <${tag}${attributes({ message, type: outcome })}>${text}</${tag}>\n    </testcase>\n`;
}

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${escapeAttribute(String(value))}"`)
    .join('');
}

/** Line breaks and tabs in an attribute would be read as spaces. */
function escapeAttribute(text: string): string {
  return escapeText(text).replaceAll(/["\t\n\r]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Characters that XML 1.0 has no way to write become U+FFFD. A bare CR would be read as a line feed. */
function escapeText(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(FORBIDDEN, '\uFFFD')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\r', '&#13;');
}

// oxlint-disable-next-line no-control-regex -- XML 1.0 2.2 (Char) leaves these out
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;
