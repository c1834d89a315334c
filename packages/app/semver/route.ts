import semver from 'semver';

export async function GET() {
  return Response.json({ sat: semver.satisfies('1.4.2', '^1.2.0 || >=3'), inc: semver.inc('1.2.3-beta.1', 'prerelease'), sort: semver.sort(['1.10.0', '1.2.0', '1.2.0-rc.1']), coerce: semver.coerce('v4.6')?.version, max: semver.maxSatisfying(['1.0.0', '1.5.3', '2.0.0'], '1.x'), diff: semver.diff('1.0.0', '1.1.0'), valid: semver.valid('x.y'), range: semver.validRange('~1.2.3'), parts: semver.parse('1.2.3-a.1+b')?.prerelease, gt: semver.gt('1.0.0', '1.0.0-rc.1') });
}
