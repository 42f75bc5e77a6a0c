export type MetricKind = 'counter' | 'gauge';
export type Labels = readonly (readonly [name: string, value: string])[];

/** A family of samples. Counters get `_total` on their samples; families without samples are left out. */
export interface MetricFamily {
  /** Without `_total`. */
  readonly name: string;
  readonly kind: MetricKind;
  /** As printed, with its full stop where the format of the reference has one. */
  readonly help: string;
  readonly samples: Iterable<{ readonly labels: Labels; readonly value: number }>;
}

/**
 * OpenMetrics text (spec ztunnel.md §10). Own renderer: prom-client sorts no labels our way, prints `# HELP` of empty
 * families and keeps a hash a sample and a scrape; this is a loop over what is there.
 */
export function renderOpenMetrics(families: readonly MetricFamily[]): string {
  let text = '';
  for (const { name, kind, help, samples } of families) {
    let lines = '';
    const sample = kind === 'counter' ? `${name}_total` : name;
    for (const { labels, value } of samples) lines += `${sample}${renderLabels(labels)} ${value}\n`;
    if (lines !== '') text += `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n${lines}`;
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
