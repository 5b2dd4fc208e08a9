package hpa

import (
	"errors"
	"fmt"
)

// A requester tells what pods request of one resource. Pods share templates, so
// it remembers the last one.
type requester struct {
	resource, container string
	profile             *Profile

	last  *Template
	milli int64
}

func (q *requester) of(pod *Pod) (int64, error) {
	if pod.Template != nil && pod.Template == q.last {
		return q.milli, nil
	}
	milli, err := q.template(pod.Template)
	if err != nil {
		return 0, fmt.Errorf("pod %s: %w", pod.Name, err)
	}
	q.last, q.milli = pod.Template, milli
	return milli, nil
}

func (q *requester) template(t *Template) (int64, error) {
	switch {
	case t == nil:
		return 0, errors.New("its requests are not known")
	case q.container != "":
		return q.named(t)
	case t.PodLevel != nil && q.profile.PodLevelRequests:
		return q.podLevel(t)
	default:
		return q.all(t)
	}
}

func (q *requester) podLevel(t *Template) (int64, error) {
	milli, ok := t.PodLevel[q.resource]
	if !ok {
		return 0, fmt.Errorf("no request for %s at the level of the pod", q.resource)
	}
	return milli, nil
}

// all adds up the containers. One without a request is an error: a utilization
// of less than the whole would be too high.
func (q *requester) all(t *Template) (int64, error) {
	var sum int64
	for i := range t.Containers {
		milli, err := q.from(&t.Containers[i])
		if err != nil {
			return 0, err
		}
		sum += milli
	}
	return sum, nil
}

func (q *requester) named(t *Template) (int64, error) {
	for i := range t.Containers {
		if t.Containers[i].Name == q.container {
			return q.from(&t.Containers[i])
		}
	}
	if q.profile.ContainersMustExist {
		return 0, fmt.Errorf("no container %s", q.container)
	}
	return 0, nil
}

func (q *requester) from(c *Container) (int64, error) {
	milli, ok := c.Requests[q.resource]
	if !ok {
		return 0, fmt.Errorf("no request for %s in container %s", q.resource, c.Name)
	}
	return milli, nil
}
