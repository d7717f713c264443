package zedtest

import "testing"

// files are those of the stories. The schema is as SpiceDB prints it, so that both
// print it alike.
const files = `
s.zed <<< caveat office_hours(hour int) {\n\thour >= 9 && 17 > 16\n}\n\n// Who may do what.\ndefinition repository {\n\trelation maintainer: user | team#member\n\trelation reader: user | user:* | user with office_hours\n\trelation banned: user\n\trelation parent: repository\n\tpermission push = maintainer\n\tpermission pull = reader + push - banned\n\tpermission above = parent->pull\n\tpermission both = maintainer & reader\n}\n\ndefinition team {\n\trelation member: user | team#member\n}\n\ndefinition user {}
other.zed <<< definition user {}\n\n\n// In an order of its own.\ndefinition team {\n\trelation member: user\n}
expiring.zed <<< use expiration\n\ndefinition user {}\n\ndefinition team {\n\trelation member: user with expiration\n}
no-end.zed <<< definition user {
no-type.zed <<< definition user {}\ndefinition doc {\n\trelation reader: nobody\n}
no-relation.zed <<< definition user {}\ndefinition doc {\n\trelation reader: user\n\tpermission view = readers\n}
less.zed <<< definition user {}
rels <<< team:core member user:ana\nrepository:site maintainer team:core#member\nrepository:site reader user:*\nrepository:site banned user:cy\nrepository:docs reader user:dan\nrepository:docs parent repository:site
two-words <<< repository:site maintainer
no-rels <<< nonsense nonsense nonsense
v.yaml <<< schema: |-\n  definition user {}\n  definition doc {\n    relation reader: user\n    permission view = reader\n  }\nrelationships: |-\n  doc:plan#reader@user:ann\n  // a remark\n\n  doc:plan#reader@user:bo\nassertions:\n  assertTrue:\n    - doc:plan#view@user:ann
no-doc.yaml <<< relationships: |-\n  paper:plan#reader@user:ann
no-rels.yaml <<< relationships: |-\n  nonsense
no.yaml <<< schema: [
`

// filling is how the stories begin that need something there.
const filling = files + `
schema write s.zed
relationship touch < rels
relationship touch repository:wiki reader user:bo --caveat office_hours:{}
relationship touch repository:fixed reader user:bo --caveat 'office_hours:{"hour":10}'
relationship touch repository:fixed reader user:di --caveat 'office_hours:{"hour":2}'
`

// refused is what zed says before a code.
const refused = `! error: terminated with errors error=rpc error: code = `

// Reasons to differ.
const (
	asWritten = `it is the text as it was written`
	wrongKey  = `a wrong key is Unauthenticated, as none is`
	mistake   = `Unknown tells a client nothing`
	slip      = `it is a slip of the pen`
	explained = `SpiceDB leaves out a permission that is another's name and walks what cannot matter any more; Tupelo shows what was asked for and stops where the answer is known`
)

func TestBothPrintSchemasAlike(t *testing.T) {
	compare(t, files+`
schema read
schema read --json
permission check repository:site push user:ana
relationship read repository
schema write s.zed
schema write s.zed --json
schema write < s.zed
schema read
schema write no-end.zed
schema write no-type.zed
schema write no-relation.zed
schema write absent.zed
schema write two files
schema read
relationship touch < rels
schema write less.zed
schema write < less.zed
relationship bulk-delete repository
relationship bulk-delete team
schema write other.zed
schema read
schema read --json
schema write --schema-definition-prefix acme less.zed
schema read
relationship touch acme/user:site reader acme/user:ana
schema write expiring.zed --schema-definition-prefix acme
schema write less.zed
schema read
schema write --schema-definition-prefix Bad-Prefix less.zed
permission check repository:site push user:ana --token wrong
relationship read repository --token wrong
relationship watch --token wrong
permission check repository:site push user:ana --endpoint 127.0.0.1:1
version --include-remote-version=false
nonsense
`,
		difference{`^schema read$`, "// In an order", "definition user", asWritten},
		difference{`^schema read --json$`, "{", "{", asWritten},
		difference{`wrong$`, refused + `PermissionDenied`, refused + `Unauthenticated`, wrongKey},
		difference{`wrong$`, "starting watch", "starting watch", wrongKey},
	)
}

func TestBothPrintRelationshipsAlike(t *testing.T) {
	compare(t, filling+`
relationship create repository:site reader user:eve
relationship create repository:site reader user:eve
relationship create repository:site reader user:eve --json
relationship touch repository:site reader user:eve --json
relationship touch repository:site readerx user:eve
relationship touch repository:site pull user:eve
relationship touch repositoryx:site pull user:eve
relationship touch repository:site banned user:*
relationship touch repository:site reader team:core
relationship touch repository:site reader user:eve#member
relationship touch repository:site maintainer team:core#nonsense
relationship touch repository:site
relationship touch 'repository:a b' reader user:eve
relationship touch repository:site reader 'user:eve[office_hours:{"hour":10}]'
relationship touch repository:site reader user:eve --caveat nonsense
relationship touch repository:site banned user:eve --caveat office_hours
relationship touch repository:site reader user:eve --caveat 'office_hours:{"hour":"x"}'
relationship touch repository:site reader user:eve --caveat 'office_hours:{"day":"x"}'
relationship touch repository:site reader user:eve --caveat office_hours:nonsense
relationship touch < two-words
relationship touch < no-rels
relationship touch --batch-size 2 < rels
relationship read repository
relationship read repository:site
relationship read repository:site reader
relationship read repository:site reader user:eve
relationship read repository:site reader user:eve --json
relationship read repository:site maintainer team:core#member
relationship read repository:d%
relationship read repository --subject-filter user:dan
relationship read repository --subject-filter team:core#member
relationship read repository --subject-filter team
relationship read repository --page-limit 1
relationship read repository --page-limit 1001
relationship read repository --page-limit 0
relationship read repository --consistency-full
relationship read repository --consistency-at-least $TOKEN
relationship read repository --consistency-at-exactly $TOKEN
relationship read nonsense
relationship read repository nonsense
relationship read repository pull
relationship read repository reader nonsense
relationship read repository:site reader nonsense:x
relationship read repository maintainer team:core#nonsense
relationship read :site
relationship read 'a b'
relationship delete repository:site reader user:eve
relationship delete repository:site reader user:eve
relationship delete repository:site reader user:nobody --json
relationship delete repository:nonsense nonsense user:eve
relationship delete nonsense:site reader user:eve
relationship bulk-delete nonsense
relationship bulk-delete repository:nothing
relationship bulk-delete repository nonsense
relationship bulk-delete repository pull
relationship bulk-delete repository --optional-limit 2
relationship bulk-delete repository --optional-limit 100000
relationship bulk-delete repository --subject-filter user:dan
relationship read repository
relationship bulk-delete repository --optional-limit 2 --force
relationship read repository
relationship touch < rels
relationship bulk-delete repository --optional-limit 0
relationship read repository
relationship watch --revision nonsense
relationship watch --filter a@b@c
relationship watch --filter repository --object_types team
relationship watch --filter nonsense
relationship watch --object_types nonsense
`,
		difference{`office_hours:{"(hour|day)":"x"}`, refused + `Unknown`, refused + `InvalidArgument`, mistake},
		difference{`^relationship bulk-delete repository pull`, `TOKEN`, refused + `FailedPrecondition`, slip},
		difference{`--object_types nonsense`, `starting watch`, `starting watch`, slip},
	)
}

func TestBothAnswerPermissionCommandsAlike(t *testing.T) {
	compare(t, filling+`
permission check repository:site push user:ana
permission check repository:site push team:core#member
permission check repository:site push user:bo
permission check repository:site pull user:bo
permission check repository:site pull user:cy
permission check repository:wiki pull user:bo
permission check repository:wiki pull user:bo --json
permission check repository:site push user:ana --json
permission check repository:wiki pull user:bo --caveat-context '{"hour":10}'
permission check repository:wiki pull user:bo --caveat-context '{"hour":2}'
permission check repository:wiki pull user:bo --caveat-context '{"hour":"x"}'
permission check repository:wiki pull user:bo --caveat-context '{"day":"x"}'
permission check repository:wiki pull user:bo --caveat-context nonsense
permission check repository:site push user:ana --schema
permission check repository:site push user:ana --error-on-no-permission
permission check repository:site push user:bo --error-on-no-permission
permission check repository:wiki pull user:bo --error-on-no-permission
permission check document:site push user:ana
permission check document:site push user:ana --explain
permission check repository:site pushh user:ana
permission check repository:site push robot:ana
permission check repository:site push user:ana#member
permission check repository:site push user:*
permission check repository:* push user:ana
permission check repository push user:ana
permission check repository:site push user
permission check 'repository:a b' push user:ana
permission check repository:site push user:ana --consistency-full
permission check repository:site push user:ana --consistency-min-latency
permission check repository:site push user:ana --consistency-at-least $TOKEN
permission check repository:site push user:ana --consistency-at-exactly $TOKEN
permission check repository:site push user:ana --consistency-at-exactly $TOKEN --consistency-full
permission check repository:site push user:ana --consistency-at-least nonsense
permission check repository:site push user:ana --consistency-at-exactly nonsense
permission check repository:site push user:ana --request-id mine
permission bulk repository:site#push@user:ana document:site#push@user:ana repository:site#push@user:bo repository:wiki#pull@user:bo 'repository:wiki#pull@user:bo[office_hours:{"hour":10}]' repository:site#pushh@user:bo
permission bulk repository:site#push@user:ana document:site#push@user:ana --json
permission bulk repository:site#push@user:ana --consistency-at-least $TOKEN
permission bulk nonsense
permission bulk
permission expand push repository:site
permission expand pull repository:site
permission expand above repository:docs
permission expand both repository:site
permission expand reader repository:wiki
permission expand pull repository:absent
permission expand pull repository:site --json
permission expand pulll repository:site
permission expand pull repo:site
permission expand pull repository
permission lookup-resources repository pull user:dan
permission lookup-resources repository pull user:bo
permission lookup-resources repository pull user:bo --caveat-context '{"hour":10}'
permission lookup-resources repository pull user:cy
permission lookup-resources repository push team:core#member
permission lookup-resources repository above user:dan
permission lookup-resources repository pull user:bo --json
permission lookup-resources repository pull user:bo --consistency-at-least $TOKEN
permission lookup-resources repository pulll user:bo
permission lookup-resources repo pull user:bo
permission lookup-resources repository pull robot:bo
permission lookup-resources repository pull user:*
permission lookup repository pull user:dan
permission lookup-subjects repository:docs pull user
permission lookup-subjects repository:site pull user
permission lookup-subjects repository:site push user
permission lookup-subjects repository:site push team#member
permission lookup-subjects repository:wiki pull user
permission lookup-subjects repository:wiki pull user --caveat-context '{"hour":10}'
permission lookup-subjects repository:site pull user --json
permission lookup-subjects repository:site pulll user
permission lookup-subjects repo:site pull user
permission lookup-subjects repository:site pull robot
permission lookup-subjects repository:site pull user#nonsense
permission lookup-subjects repository pull user
__complete permission check repository:site ''
__complete permission lookup-resources ''
`)
}

// TestBothExplainAlike is about what both must say in a trace: the answer, and who it
// is from. What is walked on the way differs.
func TestBothExplainAlike(t *testing.T) {
	compare(t, filling+`
permission check repository:site both user:ana --explain
permission check team:core member user:ana --explain
permission check team:core member user:bo --explain
permission check repository:site push user:ana --explain
permission check repository:site push user:bo --explain
permission check repository:site pull user:bo --explain
permission check repository:site pull user:cy --explain
permission check repository:wiki pull user:bo --explain
permission check repository:wiki reader user:bo --explain
permission check repository:wiki pull user:bo --explain --caveat-context '{"hour":10}'
permission check repository:wiki pull user:bo --explain --caveat-context '{"hour":2}'
permission check repository:fixed pull user:bo --explain
permission check repository:fixed pull user:di --explain
permission check repository:docs above user:bo --explain
permission check repository:docs above user:cy --explain
`,
		difference{`explain`, "true\n✓ repository:", "true\n✓ repository:", explained},
		difference{`explain`, "false\n⨉ repository:", "false\n⨉ repository:", explained},
		difference{`explain`, "caveated\n? repository:", "caveated\n? repository:", explained},
	)
}

func TestBothImportAndBackUpAlike(t *testing.T) {
	compare(t, files+`
backup create empty.backup
backup create absent/empty.backup
import v.yaml
import v.yaml
import --schema=false v.yaml
import --relationships=false v.yaml
import v.yaml --batch-size 1 --workers 2
import --schema-definition-prefix acme v.yaml
relationship read doc
import --schema=false no-doc.yaml
import --schema=false no-rels.yaml
import no.yaml
import absent.yaml
validate v.yaml
validate no-doc.yaml
relationship bulk-delete doc
`+filling+`
backup create all.backup
backup create all.backup
backup old-form.backup
backup create acme.backup --prefix-filter acme
backup parse-schema all.backup
backup parse-relationships all.backup
backup parse-relationships all.backup --prefix-filter team
backup parse-revision all.backup
backup parse-revision s.zed
backup restore all.backup
backup restore all.backup --conflict-strategy skip
backup restore all.backup --conflict-strategy touch
backup restore all.backup --conflict-strategy nonsense
backup restore all.backup --batch-size 2 --batches-per-transaction 1 --conflict-strategy touch
relationship bulk-delete repository:docs
backup restore all.backup --batch-size 1 --batches-per-transaction 1 --conflict-strategy skip
relationship read repository
relationship bulk-delete repository
relationship bulk-delete team
backup restore all.backup --batch-size 1 --batches-per-transaction 2
relationship read repository
relationship read team
relationship bulk-delete repository
relationship bulk-delete team
backup restore < all.backup
backup restore < all.backup
restore all.backup --conflict-strategy skip
relationship read repository
backup restore absent.backup
backup restore s.zed
backup redact all.backup
backup restore all.backup.redacted
relationship bulk-delete repository
relationship bulk-delete team
backup restore all.backup.redacted
schema read
relationship read def0
relationship read def1
`,
		difference{`^backup redact`, `WARNING`, `WARNING`, `zed lists the names in the order of a Go map`},
		difference{`^relationship read def`, ``, ``, `objects are numbered in the order in which they come`},
	)
}
