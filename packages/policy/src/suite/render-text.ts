import { escapeControls } from '../explanation/escape-controls.ts';
import { renderExplanation } from '../explanation/render-explanation.ts';
import type { SuiteResult, TestResult } from './run-suite.ts';

const INDENT = '        ';

/** Results for a terminal: one line a test; of those that failed, why. Ends in a line break. */
export function renderSuiteText(results: readonly SuiteResult[]): string {
  const [passed, failed, undecided] = [sum(results, 'passed'), sum(results, 'failed'), sum(results, 'undecided')];
  const total = `${passed} passed, ${failed} failed${undecided === 0 ? '' : `, ${undecided} undecided`}`;
  return `${results.map(renderSuite).join('')}${total}\n`;
}

function renderSuite({ name, tests }: SuiteResult): string {
  return `${escapeControls(name)}\n${tests.map(renderTest).join('')}\n`;
}

function renderTest({ expectation, outcome, place, message, explanation }: TestResult): string {
  const title = escapeControls(expectation.name);
  if (outcome === 'passed') return `  ok    ${title}\n`;
  const reasons = [message, `at ${place}`].map((line) => `${INDENT}${escapeControls(line)}\n`).join('');
  const why = explanation === undefined ? '' : `${indent(renderExplanation(explanation))}\n`;
  return `  ${outcome === 'failed' ? 'FAIL' : '??  '}  ${title}\n${reasons}${why}`;
}

function indent(text: string): string {
  return text.trimEnd().replaceAll(/^(?=.)/gm, INDENT);
}

function sum(results: readonly SuiteResult[], what: 'passed' | 'failed' | 'undecided'): number {
  return results.reduce((total, result) => total + result[what], 0);
}
