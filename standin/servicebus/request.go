package servicebus

// answer is what comes back for a request. Without an error the code is that of success; lost means that a fault has cut
// the connection.
type answer struct {
	code int32
	body any
	err  *amqpError
	lost bool
}

func success(body any) answer       { return answer{code: 200, body: body} }
func refuse(err *amqpError) answer  { return answer{err: err} }
func refused(cond, t string) answer { return answer{err: &amqpError{cond, t}} }

// request works on a message that came to $cbs or a management node.
func (l *link) request(p *payload) {
	c := l.session.connection
	if l.path == cbsPath {
		c.later = append(c.later, func() { c.putToken(l, p) })
		return
	}
	if a := c.manage(l.path, p); !a.lost {
		l.reply(p, a)
	}
}

// statusOf is the number that a condition has in an answer. azservicebus goes by 401, 404, 408, 410, 500 and 503.
func statusOf(condition string) int32 {
	switch condition {
	case condDecodeError, condNotAllowed:
		return 400
	case condUnauthorized:
		return 401
	case condNotFound:
		return 404
	case condTimeout:
		return 408
	case condLockLost:
		return 410
	case condNotImplemented:
		return 501
	case condServerBusy:
		return 503
	}
	return 500
}

// reply sends the answer to where the request wants it. The request may be here before the reply link has credit (seen in
// traces of azservicebus: the transfer first, then the flow), so the answer waits on the link; a dropped one would hang the
// caller to its deadline.
func (l *link) reply(request *payload, a answer) {
	to := l.replyLink(text(request.properties.at(propReplyTo)))
	if to == nil {
		l.session.connection.server.cfg.Log("service bus: no link takes the answers of %s", l.path)
		return
	}
	code, status := a.code, "OK"
	if a.err != nil {
		code, status = statusOf(a.err.condition), a.err.text
	}
	properties := amqpMap{{"statusCode", code}, {"statusDescription", status}}
	if l.path == cbsPath {
		properties = amqpMap{{"status-code", code}, {"status-description", status}}
	}
	if a.err != nil {
		properties = append(properties, mapEntry{"errorCondition", symbol(a.err.condition)})
	}
	body := a.body
	if body == nil {
		body = amqpMap{}
	}
	b := encodeSection(nil, sectionProperties, fields{nil, nil, nil, nil, nil, request.properties.at(propMessageID)})
	b = encodeSection(b, sectionApplicationProperties, properties)
	b = encodeSection(b, sectionValue, body)
	to.replies = append(to.replies, b)
	to.resume()
}

// replyLink finds the link whose target is the request's reply-to. The address is compared and never taken apart:
// azservicebus builds it with the arguments of a ReplaceAll swapped. @azure/service-bus names no target; its answers go over
// the link beside the request's.
func (l *link) replyLink(address string) *link {
	var beside, named *link
	for _, s := range l.session.connection.sessions {
		for _, other := range s.links {
			switch {
			case other.fromPeer || other.path != l.path:
			case s == l.session && other.replyAddress == address:
				return other
			case s == l.session:
				beside = other
			case other.replyAddress == address:
				named = other
			}
		}
	}
	if named != nil {
		return named
	}
	return beside
}
