package snapshot

// Want keeps a key alive as a read does, without waiting: the first read then
// finds an answer in memory. Wanting a key again costs next to nothing.
//
// The errors are *UnknownBackendError, ErrTooManyKeys and ErrClosed.
func (s *Store) Want(key Key) error {
	_, err := s.demand(key)
	return err
}
