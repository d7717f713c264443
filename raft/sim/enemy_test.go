package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/raft/sim/history"
)

// The new enemy is somebody who was let in once and no longer is. The two ways
// in which a system lets them in after all are those of the Zanzibar paper,
// section 2.2. Here the answers come from a follower that lags.

const enemySchema = `definition user {}
definition folder {
	relation viewer: user
}
definition doc {
	relation parent: folder
	relation viewer: user
	permission view = viewer + parent->viewer
}
`

// enemyLag is how long the leader's messages take to the follower that answers.
const enemyLag = 40 * time.Millisecond

// stage is a cluster of three on which the rounds are played.
type stage struct {
	*cluster
	leader, follower *node
}

// update is a write of one tuple; it returns the zookie.
func (s *stage) update(operation tupelov1.Update_Operation, t *tupelov1.Tuple) (string, error) {
	answer, err := s.leader.server.Write(s.leader.context, &tupelov1.WriteRequest{Updates: []*tupelov1.Update{{Operation: operation, Tuple: t}}})
	return answer.GetZookie(), err
}

func viewer(objectType, id string) *tupelov1.Tuple {
	return &tupelov1.Tuple{
		Object: &tupelov1.Object{Type: objectType, Id: id}, Relation: "viewer", Subject: &tupelov1.Subject{Type: "user", Id: "bob"},
	}
}

// bobSees asks the follower. Without a zookie it answers by what it has.
func (s *stage) bobSees(objectType, id, relation, zookie string) (bool, error) {
	request := &tupelov1.CheckRequest{
		Object: &tupelov1.Object{Type: objectType, Id: id}, Relation: relation, Subject: &tupelov1.Subject{Type: "user", Id: "bob"},
	}
	if zookie != "" {
		request.Consistency = &tupelov1.Consistency{Requirement: &tupelov1.Consistency_AtLeastAsFresh{AtLeastAsFresh: zookie}}
	}
	answer, err := s.follower.server.Check(s.follower.context, request)
	return answer.GetResult() == tupelov1.Result_RESULT_YES, err
}

// play plays rounds and returns in how many the enemy got in. As many as are
// played, the enemy was let in before.
func play(t *testing.T, rounds int, round func(*stage, int) (wrong bool, err error)) (wrong int) {
	p := plan{seed: 1, founders: []string{"n1", "n2", "n3"}, snapshotEntries: 1 << 20}
	events := record(t, p, nil, func(c *cluster) {
		defer c.stop()
		s, err := c.setStage()
		for i := 0; i < rounds && err == nil; i++ {
			var in bool
			if in, err = round(s, i); in {
				wrong++
			}
		}
		if err != nil {
			c.history.Failure("%v", err)
		}
	})
	for _, p := range history.Check(events) {
		t.Error(p)
	}
	return wrong
}

// setStage starts the cluster and has one of the followers lag.
func (c *cluster) setStage() (*stage, error) {
	for _, id := range c.plan.founders {
		c.start(id)
	}
	s := &stage{cluster: c}
	for s.leader = c.leader(); s.leader == nil; s.leader = c.leader() {
		time.Sleep(10 * time.Millisecond)
	}
	_, err := s.leader.server.WriteSchema(s.leader.context, &tupelov1.WriteSchemaRequest{Text: enemySchema})
	if err != nil {
		return nil, err
	}
	for _, n := range c.living() {
		if n != s.leader {
			s.follower = n
		}
	}
	c.net.change(func() { c.net.lags[link{s.leader.id, s.follower.id}] = enemyLag })
	return s, nil
}

// neglectUpdateOrder is the first example: Alice takes Bob out of a folder, and
// then has documents put into it that he must not see. Who serves them learns
// the folder of a document from the leader, and asks the follower whether Bob
// may see what is in it, with the zookie of the first answer or without.
func neglectUpdateOrder(withZookies bool) func(*stage, int) (bool, error) {
	return func(s *stage, i int) (bool, error) {
		folder, doc := fmt.Sprint("folder", i), fmt.Sprint("doc", i)
		granted, err := s.update(tupelov1.Update_OPERATION_TOUCH, viewer("folder", folder))
		if err != nil {
			return false, err
		}
		if in, err := s.bobSees("folder", folder, "viewer", granted); !in || err != nil {
			return false, fmt.Errorf("round %d: Bob is not let in to begin with (%w)", i, err)
		}
		if _, err := s.update(tupelov1.Update_OPERATION_DELETE, viewer("folder", folder)); err != nil {
			return false, err
		}
		_, err = s.update(tupelov1.Update_OPERATION_TOUCH, &tupelov1.Tuple{
			Object: &tupelov1.Object{Type: "doc", Id: doc}, Relation: "parent", Subject: &tupelov1.Subject{Type: "folder", Id: folder},
		})
		if err != nil {
			return false, err
		}
		parents, err := s.leader.server.Read(s.leader.context, &tupelov1.ReadRequest{
			Filter: &tupelov1.Filter{ObjectType: "doc", ObjectId: doc, Relation: "parent"},
		})
		if err != nil || len(parents.Tuples) != 1 {
			return false, fmt.Errorf("round %d: the folder of %s: %v, %w", i, doc, parents, err)
		}
		zookie := ""
		if withZookies {
			zookie = parents.Zookie
		}
		return s.bobSees("folder", parents.Tuples[0].Subject.Id, "viewer", zookie)
	}
}

// oldACLOnNewContent is the second: Alice takes Bob off a document, and then has
// something written into it that he must not see. The content is kept with the
// zookie of its writing, and shown to whom the follower lets in.
func oldACLOnNewContent(withZookies bool) func(*stage, int) (bool, error) {
	return func(s *stage, i int) (bool, error) {
		doc := fmt.Sprint("doc", i)
		granted, err := s.update(tupelov1.Update_OPERATION_TOUCH, viewer("doc", doc))
		if err != nil {
			return false, err
		}
		if in, err := s.bobSees("doc", doc, "view", granted); !in || err != nil {
			return false, fmt.Errorf("round %d: Bob is not let in to begin with (%w)", i, err)
		}
		content := struct{ text, zookie string }{text: "what Bob must not read"}
		content.zookie, err = s.update(tupelov1.Update_OPERATION_DELETE, viewer("doc", doc))
		if err != nil {
			return false, err
		}
		zookie := ""
		if withZookies {
			zookie = content.zookie
		}
		return s.bobSees("doc", doc, "view", zookie)
	}
}

func TestWithZookiesTheNewEnemyIsKeptOutThoughUpdatesComeLate(t *testing.T) {
	if wrong := play(t, *roundsFlag, neglectUpdateOrder(true)); wrong > 0 {
		t.Errorf("Bob got in, in %d of %d rounds", wrong, *roundsFlag)
	}
}

func TestWithZookiesNewContentIsNotShownByAnOldACL(t *testing.T) {
	if wrong := play(t, *roundsFlag, oldACLOnNewContent(true)); wrong > 0 {
		t.Errorf("Bob got in, in %d of %d rounds", wrong, *roundsFlag)
	}
}

// Were the enemy kept out without zookies too, the tests above would show nothing.
func TestWithoutZookiesTheNewEnemyGetsIn(t *testing.T) {
	for name, round := range map[string]func(*stage, int) (bool, error){
		"update order": neglectUpdateOrder(false), "old ACL": oldACLOnNewContent(false),
	} {
		wrong := play(t, 50, round)
		t.Logf("%s: in %d of 50 rounds", name, wrong)
		if wrong == 0 {
			t.Errorf("%s: never; the follower does not lag", name)
		}
	}
}
