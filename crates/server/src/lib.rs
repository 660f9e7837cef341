//! Gives every AI Unlimited engine exactly the AWS role it needs, and takes it away again.
