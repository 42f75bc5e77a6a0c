import type { Problem } from '../problem.ts';

/** A problem at its place. */
export interface Finding extends Problem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

/** A problem at `FILE:LINE:COLUMN`. */
export function placeFinding(place: string, problem: Problem): Finding {
  const [, file = place, line = '1', column = '1'] = /^(.*):(\d+):(\d+)$/s.exec(place) ?? [];
  return { ...problem, file, line: Number(line), column: Number(column) };
}

/** As compilers do, one a line. */
export function renderFindings(findings: readonly Finding[]): string {
  return findings
    .map((finding) => `${finding.file}:${finding.line}:${finding.column}: ${finding.severity}: ${describe(finding)}\n`)
    .join('');
}

/** One list of maps. Ends in a line break. */
export function renderFindingsAsJson(findings: readonly Finding[]): string {
  return `${JSON.stringify(
    findings.map(({ file, line, column, severity, path, message }) => ({
      file,
      line,
      column,
      severity,
      path,
      message,
    })),
    undefined,
    2,
  )}\n`;
}

/**
 * Commands of GitHub Actions, which show each finding beside its line.
 * @see https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
 */
export function renderFindingsForGithub(findings: readonly Finding[]): string {
  return findings
    .map((finding) => {
      const { severity, file, line, column } = finding;
      const name = escapeData(file).replaceAll(':', '%3A').replaceAll(',', '%2C');
      return `::${severity} file=${name},line=${line},col=${column}::${escapeData(describe(finding))}\n`;
    })
    .join('');
}

function describe({ path, message }: Problem): string {
  return path === '' ? message : `${path}: ${message}`;
}

function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}
