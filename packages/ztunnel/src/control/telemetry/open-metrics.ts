type MetricKind = 'counter' | 'gauge' | 'histogram';
export type Labels = readonly (readonly [name: string, value: string])[];

export interface MetricSample {
  /** Put after the family's name; counters have `_total` if absent. */
  readonly suffix?: '_sum' | '_count' | '_bucket';
  readonly labels: Labels;
  readonly value: number;
}

/** A family of samples; those without samples are left out of the text. */
export interface MetricFamily {
  /** Without `_total`. */
  readonly name: string;
  readonly kind: MetricKind;
  /** As printed, with its full stop where the format of the reference has one. */
  readonly help: string;
  readonly unit?: 'seconds';
  readonly samples: Iterable<MetricSample>;
}

/**
 * OpenMetrics text (spec ztunnel.md §10). Own renderer, not prom-client: that one prints no `# UNIT`, the headers of empty
 * families too, other sample orders, and wants its own objects where this is one loop over what is there.
 */
export function renderOpenMetrics(families: readonly MetricFamily[]): string {
  let text = '';
  for (const { name, kind, help, unit, samples } of families) {
    let lines = '';
    for (const { suffix, labels, value } of samples)
      lines += `${name}${suffix ?? (kind === 'counter' ? '_total' : '')}${renderLabels(labels)} ${value}\n`;
    if (lines === '') continue;
    const unitLine = unit === undefined ? '' : `# UNIT ${name} ${unit}\n`;
    text += `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n${unitLine}${lines}`;
  }
  return `${text}# EOF\n`;
}

/** `{a="b",c="d"}`, or nothing without labels. */
export function renderLabels(labels: Labels): string {
  if (labels.length === 0) return '';
  return `{${labels.map(([name, value]) => `${name}="${escapeLabel(value)}"`).join(',')}}`;
}

function escapeLabel(value: string): string {
  return /["\\\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value;
}
